"""What a time column says, as numbers that can be put in order. Splits nothing."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from docsort.core.errors import DataError


def as_times(
    values: list[str], rows: npt.NDArray[np.int64], column: str | None
) -> npt.NDArray[np.float64]:
    """(D,) numbers as they are, or else ISO 8601 dates (a date without a zone is taken as UTC).

    Raises DataError naming the first row that is neither.
    """
    texts = pd.Series(values, dtype="str")
    numbers = pd.to_numeric(texts, errors="coerce")
    if numbers.notna().all():
        return np.asarray(numbers, dtype=np.float64)
    dates = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce")
    wrong = np.flatnonzero(dates.isna())
    if len(wrong):
        raise DataError(
            f"data.time_column={column}: {len(wrong)} rows have no time that can be read, first in "
            f"row {rows[wrong[0]]}. Write numbers only, or dates as in 2024-12-31 or "
            "2024-12-31T23:59:59Z."
        )
    epoch = pd.Timestamp(0, tz="UTC")
    return np.asarray((dates - epoch) / pd.Timedelta(seconds=1), dtype=np.float64)
