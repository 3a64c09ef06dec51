from typing import Any

import numpy as np
import pytest

from rigd.config.stream import Stream
from rigd.daemon.storable import NotStorableError, check_channels, check_storable
from rigd.streams.block import StreamFormat

EPHYS: dict[str, Any] = {"type": "ElectricalSeries", "probe": "p"}
SPACE: dict[str, Any] = {"type": "SpatialSeries", "reference_frame": "rest"}
IMAGE: dict[str, Any] = {"type": "ImageSeries"}
TABLE: dict[str, Any] = {"type": "EventsTable"}


def check(dtype: Any, shape: tuple[int, ...] = (), **nwb: Any) -> None:
    regular = nwb.get("type") != "EventsTable"
    found = StreamFormat(
        np.dtype(dtype), shape, 10.0 if regular else None, not regular, unit="volts"
    )
    check_storable("s", Stream.model_validate({"nwb": nwb} if nwb else {}), found)


@pytest.mark.parametrize(
    "dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "?"]
)
def test_a_time_series_takes_all_real_numbers(dtype: str) -> None:
    check(dtype, (4,))


@pytest.mark.parametrize("dtype", ["c8", "c16", "S8", "M8[ns]", "V4", ">i2"])
def test_a_time_series_takes_nothing_else(dtype: str) -> None:
    with pytest.raises(NotStorableError, match=r"stream `s`.*is not one of i1, i2"):
        check(dtype)


@pytest.mark.parametrize(
    ("nwb", "shape"), [(EPHYS, (4,)), (SPACE, ()), (IMAGE, (4, 4))]
)
@pytest.mark.parametrize("dtype", ["?", "f2"])
def test_other_series_take_no_bool_and_no_half(
    nwb: dict[str, Any], shape: tuple[int, ...], dtype: str
) -> None:
    check("f4", shape, **nwb)
    with pytest.raises(NotStorableError, match="is not one of"):
        check(dtype, shape, **nwb)


@pytest.mark.parametrize(
    ("nwb", "shape", "what"),
    [
        (EPHYS, (4, 4), r"\[4, 4\] are not \(\) or \(channels\)"),
        (SPACE, (4,), "4 values a row; x, x y or x y z"),
        (IMAGE, (4,), r"\[4\] are not \(height, width\) or"),
    ],
)
def test_row_shapes_that_do_not_fit_are_refused(
    nwb: dict[str, Any], shape: tuple[int, ...], what: str
) -> None:
    with pytest.raises(NotStorableError, match=what):
        check("i2", shape, **nwb)


def test_an_electrical_series_is_in_volts() -> None:
    found = StreamFormat(np.dtype("i2"), (4,), 10.0, unit="microvolts")
    with pytest.raises(NotStorableError, match="`microvolts`; set `unit: volts`"):
        check_storable("s", Stream.model_validate({"nwb": EPHYS}), found)
    check_storable(
        "s",
        Stream.model_validate({"nwb": EPHYS, "unit": "volts", "conversion": 1e-6}),
        found,
    )


def test_a_table_takes_fields_of_numbers_and_text() -> None:
    check([("line", "u1"), ("on", "?"), ("text", "S9"), ("xy", "f4", (2,))], **TABLE)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ([("timestamp", "f8")], "column called `timestamp`"),
        ([("id", "i8")], "column called `id`"),
        ([("a/b", "i8")], "column called `a/b`"),
        ([("duration", "i8")], "`duration` is in seconds"),
        ([("z", "c8")], "column `z`: dtype"),
        ([("in", [("x", "i2")])], "column `in`: dtype"),
    ],
)
def test_columns_that_nwb_refuses_are_refused(fields: Any, what: str) -> None:
    with pytest.raises(NotStorableError, match=what):
        check(fields, **TABLE)


def test_descriptions_belong_to_columns() -> None:
    with pytest.raises(NotStorableError, match="describes `lin`; the fields are line"):
        check([("line", "u1")], **TABLE, columns={"lin": "Pin"})


def test_tables_and_fields_belong_together() -> None:
    with pytest.raises(NotStorableError, match="declare `nwb: {type: EventsTable}`"):
        check([("line", "u1")])
    with pytest.raises(NotStorableError, match="needs an event-like stream"):
        check("i2", **TABLE)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(NotStorableError) as refused:
        check("c8", (4, 4), **EPHYS)
    assert "dtype" in str(refused.value)
    assert "shape" in str(refused.value)


def test_each_channel_has_an_electrode() -> None:
    found = StreamFormat(np.dtype("i2"), (4,), 10.0)
    check_channels("s", found, "p", 4)
    with pytest.raises(NotStorableError, match="4 channels.*`p` has 5 electrodes"):
        check_channels("s", found, "p", 5)
