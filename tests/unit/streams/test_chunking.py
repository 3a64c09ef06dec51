"""The rule for chunk shapes holds for every format."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigd.streams.block import StreamFormat
from rigd.streams.chunking import LARGE_BYTES, TARGET_BYTES, chunk_rows, chunk_shape


@given(st.integers(1, 10**7), st.none() | st.floats(0.01, 1e6))
def test_a_chunk_is_a_power_of_two_rows_and_no_larger_than_the_target(
    row_bytes: int, rate: float | None
) -> None:
    rows = chunk_rows(row_bytes, rate)
    assert rows >= 1
    assert rows & (rows - 1) == 0
    assert rows == 1 or rows * row_bytes <= LARGE_BYTES
    if rate is None or rate * row_bytes < 20 * LARGE_BYTES:
        assert rows == 1 or rows * row_bytes <= TARGET_BYTES


@pytest.mark.parametrize(
    ("dtype", "shape", "rate", "expected"),
    [
        ("<i2", (384,), 30000.0, (1024, 384)),
        ("<i2", (384,), 20000.0, (512, 384)),
        ("<f4", (8,), 1000.0, (8192, 8)),
        ("|u1", (480, 640), 30.0, (1, 480, 640)),
        ("|u1", (480, 640, 3), 30.0, (1, 480, 640, 3)),
        ("<f8", (), 10.0, (1024,)),
    ],
)
def test_examples(
    dtype: str, shape: tuple[int, ...], rate: float, expected: tuple[int, ...]
) -> None:
    assert chunk_shape(StreamFormat(np.dtype(dtype), shape, rate)) == expected


def test_a_chosen_chunk_is_completed_with_whole_rows() -> None:
    probe = StreamFormat(np.dtype("<i2"), (384,), 30000.0)
    assert chunk_shape(probe, (4096,)) == (4096, 384)
    assert chunk_shape(probe, (4096, 64)) == (4096, 64)


@pytest.mark.parametrize("chosen", [(10, 385), (10, 10, 10)])
def test_a_chunk_that_does_not_fit_is_refused(chosen: tuple[int, ...]) -> None:
    probe = StreamFormat(np.dtype("<i2"), (384,), 30000.0)
    with pytest.raises(ValueError, match="does not fit"):
        chunk_shape(probe, chosen)
