"""What a time column may say, and the order that it gives."""

import numpy as np
import pytest

from docsort.core.errors import DataError
from docsort.data.times import as_times

# each is later than the one before it
DATES = [
    "0001-01-01T00:00+05:00",
    "0001-01-01",
    "1510-03-01",
    "1677-09-21T00:12:43",
    "1969-12-31 23:59:59.999999",
    "2024-02",
    "2024-2-29",
    "2024/03/01",
    "2024-03-02T00:30:00+02:00",
    "2024-03-01T23:00:00Z",
    "2024-03-02 00:00:00.000001",
    "2024-W11-1",
    "2262-04-12",
    "9999-12-31T23:59:59",
    "9999-12-31T23:59:59-01:00",
]


def times_of(values: list[str]) -> list[float]:
    return as_times(values, np.arange(len(values)) + 10, "when").tolist()


def test_dates_of_all_years_are_in_order() -> None:
    assert times_of(DATES) == list(range(len(DATES)))
    assert times_of(["2024-001", "2024-01-01", "2024-01-01T01:00+01:00"]) == [0, 0, 0]


def test_numbers_stay_as_they_are() -> None:
    assert times_of(["2023", " -4.5", "1e3"]) == [2023, -4.5, 1000]


@pytest.mark.parametrize(
    "wrong", ["", "yesterday", "nan", "inf", "0000-01-01", "10000-01-01", "2023-366", "31.12.2023"]
)
def test_a_cell_that_is_no_time_is_named_by_its_row(wrong: str) -> None:
    with pytest.raises(DataError, match=r"data\.time_column=when: 1 rows .* first in row 11"):
        times_of(["1510-03-01", wrong])


def test_numbers_among_dates_are_named_by_their_rows() -> None:
    with pytest.raises(DataError, match="row 11 has a number, row 10 has a date"):
        times_of(["2023-05-01", "2023"])
