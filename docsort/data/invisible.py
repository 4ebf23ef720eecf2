"""Characters that nobody sees: white space, control and format characters, and fillers.

One pattern decides whether a text or a label is empty, and whether two labels look alike.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# RE2's syntax. The single characters are what Unicode calls default ignorable (joiners, Hangul
# fillers, variation selectors) outside of those categories, and the blank of Braille.
_INVISIBLE = (
    r"[\p{Z}\p{Cc}\p{Cf}\x{034F}\x{115F}\x{1160}\x{17B4}\x{17B5}\x{180B}-\x{180F}\x{2800}\x{3164}"
    r"\x{FE00}-\x{FE0F}\x{FFA0}\x{E0100}-\x{E01EF}]"
)


def is_blank(column: Any) -> npt.NDArray[np.bool_]:
    """(D,) which cells of a column of strings hold nothing that can be seen."""
    blank: npt.NDArray[np.bool_] = np.asarray(
        pc.match_substring_regex(column, f"^{_INVISIBLE}*$"), dtype=np.bool_
    )
    return blank


def without_invisible(names: list[str]) -> list[str]:
    """The names less all that can't be seen, spaces within them included."""
    column = pa.array(names, pa.string())
    seen: list[str] = pc.replace_substring_regex(column, _INVISIBLE, "").to_pylist()
    return seen


@lru_cache(1_000)
def is_invisible(name: str) -> bool:
    """Whether a name has nothing that can be seen."""
    return without_invisible([name]) == [""]
