"""Chunk shape from rate and row shape: one stated rule.

Whole rows, so that a block from the wire is copied once, or not at all, and a chunk is
written with one call. As many rows as fit into 512 KiB, rounded down to a power of two,
at most those of 10 s (so that slow streams do not carry large empty tails) but at least
1024 rows of a small-row stream (a chunk costs about 100 bytes of index), and at least
one row. A frame larger than 512 KiB is a chunk of its own.

A chunk costs its writer nearly the same, however large. So those of a stream that
brings 1 MiB within 50 ms may have that: a tenth of its writer's work is saved.
"""

from rigd.streams.block import StreamFormat

TARGET_BYTES, LARGE_BYTES = 512 * 1024, 1024 * 1024
LARGE_WITHIN = 0.05
SECONDS = 10.0
LEAST_ROWS = 1024


def target_bytes(row_bytes: int, rate: float | None) -> int:
    """Bytes that a chunk may have, unless a single row has more."""
    is_fast = rate is not None and rate * row_bytes * LARGE_WITHIN >= LARGE_BYTES
    return LARGE_BYTES if is_fast else TARGET_BYTES


def chunk_rows(row_bytes: int, rate: float | None) -> int:
    """Rows of a chunk for rows of `row_bytes` bytes at `rate` rows per second."""
    fit = max(1, target_bytes(row_bytes, rate) // row_bytes)
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
