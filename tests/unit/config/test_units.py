from decimal import Decimal

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from rigd.config.units import ByteSize, Hertz, Seconds, SignedSeconds

seconds = TypeAdapter[float](Seconds).validate_python
signed = TypeAdapter[float](SignedSeconds).validate_python
hertz = TypeAdapter[float](Hertz).validate_python
size = TypeAdapter[int](ByteSize).validate_python


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10.0), ("10 s", 10.0), ("10s", 10.0), (" 1.5 min ", 90.0),
        ("200 us", 0.0002), ("200 µs", 0.0002), ("200 μs", 0.0002),
        ("0.1 ms", 0.0001), ("3 ns", 3e-9), ("0.7 ms", 0.0007), (".5 h", 1800.0),
        ("2. d", 172800.0), ("1e3 s", 1000.0), ("1E-3 ms", 1e-6), ("0", 0.0),
    ],
)  # fmt: skip
def test_a_duration_is_the_nearest_float(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(("text", "value"), [("30 kHz", 3e4), ("2.5 MHz", 2.5e6)])
def test_a_rate(text: str, value: float) -> None:
    assert hertz(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("2 GiB", 2**31), ("1.5 kB", 1500), ("7", 7), ("9007199254740993 B", 2**53 + 1)],
)
def test_a_size_is_an_exact_whole_number(text: str, value: int) -> None:
    assert size(text) == value


def test_numbers_are_taken_as_they_are() -> None:
    assert seconds(0.25) == 0.25
    assert hertz(30000) == 30000.0
    assert size(4096.0) == 4096


decimals = st.decimals(
    min_value=0, max_value=10**9, allow_nan=False, allow_infinity=False, places=9
)


@given(decimals, st.sampled_from([("ns", -9), ("us", -6), ("ms", -3), ("s", 0)]))
def test_any_decimal_becomes_the_nearest_float(
    number: Decimal, unit: tuple[str, int]
) -> None:
    name, exponent = unit
    literal = float(f"{number:f}e{exponent}")
    assert seconds(f"{number:f} {name}") == literal


@given(st.integers(1, 2**70), st.sampled_from([("B", 1), ("kB", 1000), ("MiB", 2**20)]))
def test_any_size_is_exact(number: int, unit: tuple[str, int]) -> None:
    assert size(f"{number} {unit[0]}") == number * unit[1]


@given(st.text(max_size=70))
def test_any_text_is_a_finite_number_or_refused(text: str) -> None:
    try:
        assert abs(signed(text)) < float("inf")
    except ValidationError as error:
        refusal = error.errors()[0]["msg"]
        event(refusal)
        if text not in refusal:
            raise


@pytest.mark.parametrize(
    "text",
    ["", "s", "ten s", "10 parsecs", "1 2", "1..2 s", "10 kHz", "0x10", "1e9999"],
)
def test_other_texts_are_refused_with_the_units(text: str) -> None:
    with pytest.raises(
        ValidationError, match="units ns, us, µs, ms, s, min, h, d, e.g."
    ):
        seconds(text)


def test_only_an_offset_may_be_negative() -> None:
    assert signed("-3 d") == -259200.0
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        seconds("-1 ms")
    with pytest.raises(ValidationError, match="greater than 0"):
        hertz("0 Hz")


@pytest.mark.parametrize("value", [True, False])
def test_truth_is_no_quantity(value: bool) -> None:
    with pytest.raises(ValidationError, match="is not a duration"):
        seconds(value)
    with pytest.raises(ValidationError, match="is not a size"):
        size(value)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "1e999 s"])
def test_only_finite_numbers(value: object) -> None:
    with pytest.raises(ValidationError, match="finite|too large"):
        signed(value)


@pytest.mark.parametrize("value", ["1.5 B", 1.5, "0.0001 kB"])
def test_a_fraction_of_a_byte_is_refused(value: object) -> None:
    with pytest.raises(ValidationError, match="whole number of bytes"):
        size(value)
