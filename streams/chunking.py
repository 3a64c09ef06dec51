"""Chunk shape from rate and row shape: one stated rule.

Whole rows, so that a block from the wire is copied once and a chunk is written with
one call. As many rows as fit into 512 KiB, rounded down to a power of two, at most
those of 10 s (so that slow streams do not carry large empty tails) but at least 1024
rows of a small-row stream (a chunk costs about 100 bytes of index), and at least one
row. A frame larger than 512 KiB is a chunk of its own.
"""

from rigd.streams.block import StreamFormat

TARGET_BYTES = 512 * 1024
SECONDS = 10.0
LEAST_ROWS = 1024


def chunk_rows(row_bytes: int, rate: float | None) -> int:
    """Rows of a chunk for rows of `row_bytes` bytes at `rate` rows per second."""
    fit = max(1, TARGET_BYTES // row_bytes)
    wanted = fit if rate is None else min(fit, max(LEAST_ROWS, int(SECONDS * rate)))
    if rate is None:
        wanted = min(fit, 4 * LEAST_ROWS)
    return 1 << (max(1, min(fit, wanted)).bit_length() - 1)


def chunk_shape(
    stream: StreamFormat, chosen: tuple[int, ...] | None = None
) -> tuple[int, ...]:
    """Shape of a chunk of the stream's data, rows first.

    Args:
        stream: Format of the stream.
        chosen: Shape set by the user; a missing tail is taken whole.

    Raises:
        ValueError: `chosen` has more dimensions than the data or exceeds a row.

    """
    if chosen is None:
        return (chunk_rows(stream.row_bytes, stream.rate), *stream.shape)
    tail = chosen[1:]
    if len(tail) > len(stream.shape) or any(
        c > n for c, n in zip(tail, stream.shape, strict=False)
    ):
        raise ValueError(
            f"chunk {list(chosen)} does not fit rows of shape {list(stream.shape)}"
        )
    return (*chosen, *stream.shape[len(tail) :])
