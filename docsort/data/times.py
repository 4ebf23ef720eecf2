"""What a time column says, as numbers that can be put in order. Splits nothing.

Dates are read by the standard library: pandas counts nanoseconds and ends in the year 2262.
"""

import math
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from docsort.core.errors import DataError

# What people write for ISO 8601 and fromisoformat does not read: 2024-12, 2024-1-5, 2024/12/31.
_LOOSE_DATE = re.compile(r"(\d{4})([-/.])(\d{1,2})(?:\2(\d{1,2}))?(?=$|[ T])")
_ORDINAL_DATE = re.compile(r"\d{4}-\d{3}")
_ACCEPTED = "Write numbers only, or dates as in 2024-12-31 or 2024-12-31T23:59:59Z."


def as_times(
    values: Sequence[str], rows: npt.NDArray[np.int64], column: str | None
) -> npt.NDArray[np.float64]:
    """Numbers as they are, or ranks of ISO 8601 dates of the years 1 to 9999.

    Args:
        values: the column's cells, D of them.
        rows: (D,) their rows in the source, for messages.
        column: what the source calls the column.

    Returns:
        (D,) numbers in the order of the times. A date without a zone is taken as UTC.

    Raises:
        DataError: cells that are neither, or numbers among dates. Names the first row.
    """
    times = [_time(value) for value in values]
    wrong = [at for at, time in enumerate(times) if time is None]
    if wrong:
        raise DataError(
            f"data.time_column={column}: {len(wrong)} rows have no time that can be read, first in "
            f"row {rows[wrong[0]]}. {_ACCEPTED}"
        )
    is_number = np.array([isinstance(time, float) for time in times])
    if is_number.any() and not is_number.all():
        raise DataError(
            f"data.time_column={column}: row {rows[is_number.argmax()]} has a number, row "
            f"{rows[is_number.argmin()]} has a date. Numbers and dates have no common order. "
            f"{_ACCEPTED}"
        )
    if is_number.all():
        return np.array(times, dtype=np.float64)
    # As ranks: seconds since the year 1 with microseconds do not fit into a float.
    rank_of = {date: rank for rank, date in enumerate(sorted(set(times)))}
    return np.array([rank_of[date] for date in times], dtype=np.float64)


def _time(value: str) -> Any:
    """A float, a timedelta, or None: of a column, all must be one kind."""
    number = _number(value)
    return _date(value) if number is None else number


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _date(value: str) -> timedelta | None:
    """The time since the year 1 in UTC: as a datetime, it could not lie before that year."""
    text = value.strip().upper()
    try:
        if _ORDINAL_DATE.fullmatch(text):
            date = datetime.strptime(text, "%Y-%j")
            if date.year != int(text[:4]):  # day 366 of a year that has 365
                return None
        else:
            date = datetime.fromisoformat(_LOOSE_DATE.sub(_padded, text, count=1))
    except ValueError:
        return None
    return date.replace(tzinfo=None) - datetime.min - (date.utcoffset() or timedelta())


def _padded(date: re.Match[str]) -> str:
    year, _, month, day = date.groups()
    return f"{year}-{month:>02}-{day or '1':>02}"
