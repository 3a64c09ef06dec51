"""Numbers as people read them."""

SIZES = ("B", "kB", "MB", "GB", "TB", "PB")
DAY, HOUR, MINUTE = 86400, 3600, 60


def size_text(count: float) -> str:
    """`23.04 MB` for 23040000 bytes: three or four digits, factors of 1000."""
    unit = 0
    while abs(count) >= 999.5 and unit < len(SIZES) - 1:
        count /= 1000
        unit += 1
    if unit == 0:
        return f"{count:.0f} B"
    decimals = 2 if abs(count) < 99.5 else 0
    return f"{count:.{decimals}f} {SIZES[unit]}"


def count_text(count: int | None) -> str:
    """`1 234 567`: digits in groups of three; `-` where it is not known."""
    if count is None:
        return "-"
    return f"{count:,}".replace(",", " ")


def rate_text(rate: float | None) -> str:
    """`29999.8` rows per second; `-` where it is not known."""
    if rate is None:
        return "-"
    return f"{rate:.1f}" if rate >= 100 else f"{rate:.2f}"


def time_text(seconds: float) -> str:
    """`3 h 20 min`, `2 d 4 h`, `1 min 5 s`, `12.3 s`: the two largest units."""
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def clock_text(seconds: float) -> str:
    """`00:12:31`: hours, minutes and seconds."""
    whole = int(seconds)
    return f"{whole // HOUR:02}:{whole % HOUR // MINUTE:02}:{whole % MINUTE:02}"


def lag_text(seconds: float | None) -> str:
    """Age of the newest row; `-` before the first."""
    return "-" if seconds is None else f"{seconds:.2f} s"


def aligned(rows: list[list[str]]) -> list[str]:
    """Lines of a table, first row the heads; the first column left, others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
