"""scikit-learn's 20 Newsgroups, from its own cache or the network, to rows. Knows nothing else.

Headers, footers and quotes are removed, as scikit-learn recommends: they give the group away.
"""

import urllib.error
import warnings
from typing import Any

import pyarrow as pa
from sklearn.datasets import fetch_20newsgroups, get_data_home

from docsort.core.errors import DataError
from docsort.data.rows import TEXT_AND_LABEL, Rows, rows_from


def read_newsgroups() -> dict[str, Rows]:
    """Its own train and test splits. Raises DataError when it is neither cached nor to be had."""
    return {split: _rows(split, _fetched(split)) for split in ("train", "test")}


def _fetched(split: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Retry downloading")
            # One retry: three, its default, only make the missing network slower to tell.
            return fetch_20newsgroups(
                subset=split, remove=("headers", "footers", "quotes"), n_retries=1
            )
    except (urllib.error.URLError, TimeoutError) as error:
        raise DataError(
            f"20 Newsgroups is not in scikit-learn's cache, {get_data_home()}, and can't be "
            f"downloaded ({error}). Copy a filled cache there, name its folder in the environment "
            "variable SCIKIT_LEARN_DATA, or use data=library_docs, which needs no network."
        ) from None


def _rows(split: str, fetched: Any) -> Rows:
    labels = [fetched.target_names[target] for target in fetched.target]
    table = pa.table({"text": fetched.data, "label": labels})
    return rows_from(f"newsgroups-{split}", TEXT_AND_LABEL, lambda: [table])
