"""Literal docstrings and the prose a reader should be left with."""

import pytest

from docsort.data.docstrings import prose

NUMPYDOC = """
    blend(a, b, /, out=None,
          *, where=True)

    Blend two arrays, element-wise.

    Uses the `b` weights, see :func:`numpy.add` and :ref:`the guide <guide-blend>` [1]_.
    Equal to ``a + b`` when *both* are **finite**::

        >>> blend(1, 2)
        3

    .. versionadded:: 1.4

    The rest is :math:`\\frac{a}{b}` of :math:`x`.

    Parameters
    ----------
    a : array_like
        Not told.
"""

GOOGLE = """
blend(input, *, out=None) -> Tensor

Blends :attr:`input` along :class:`~torch.nn.Linear`.

.. math::
    y = ax + b

.. note::
    Is slow on a
    :meth:`!Tensor.cpu`.

Args:
    input (Tensor): not told.

Afterwards nothing is told.
"""


def test_numpydoc() -> None:
    assert prose(NUMPYDOC) == (
        "Blend two arrays, element-wise. Uses the b weights, see numpy.add and the guide. "
        "Equal to a + b when both are finite: The rest is of x."
    )


def test_google() -> None:
    assert prose(GOOGLE) == "Blends input along Linear. Is slow on a cpu."


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("", ""),
        ("  \n ", ""),
        ("One line.", "One line."),
        ("array(object, dtype=None)\n\nCreate an array.", "Create an array."),
        ("f(x) -> y\ng(x) -> y\n\nTwo signatures.", "Two signatures."),
        ("out = f(x)\n\nNamed result.", "Named result."),
        ("mean(x) is the mean of x.", "mean(x) is the mean of x."),
        ("Mean (average) of x.", "Mean (average) of x."),
        ("unclosed(bracket\n\nSays this.", "unclosed(bracket Says this."),
        ("Points(x: int, y: float)", ""),
        ("Short.\n\n.. deprecated:: 2.0\n   Use other.\n\nLong.", "Short. Long."),
        ("Short.\n\n.. warning:: Take care\n    of it.", "Short. Take care of it."),
        ("Short.\n\n.. [1] Author, Book.\n   Page 3.\n\nLong.", "Short. Long."),
        ("Short.\n\n.. function:: f(x, y)\n\nOverload.", "Short."),
        ("Short.\n\n>>> f(1)\n2\n\nLong.", "Short. Long."),
        ("Lists:\n\n- one\n- two\n\n1. three", "Lists: one two three"),
        ("A not-bullet - stays - here.", "A not-bullet - stays - here."),
        ("Short.\n\n===  ===\nhead x\n===  ===\n", "Short. head x"),
        ("Short.\n\n+---+\n| a |\n+---+\n", "Short."),
        ("Short.\n\nReturns\n-------\nvalue", "Short."),
        ("Returns a value: told.", "Returns a value: told."),
        ("Short.\n\nReturns:\n    a value", "Short."),
        ("Short.\n\nShape:\n  - Input", "Short."),
        ("Short.\n\nExample::\n\n  f(1)", "Short."),
        ("Short.\n\n:param x: a value", "Short."),
        (":term:`array` of\n:math:`\\alpha\n + 1` and :math:`n`.", "array of and n."),
        ("Norm\n|x| of a sum\n+ 1.", "Norm |x| of a sum 1."),
        ("A `link <https://x.org/a>`_, or https://x.org/b .", "A link, or."),
        ("Sizes (:math:`a \\times b`) of A .H kind.", "Sizes of A .H kind."),
        ("f(*args, **kwargs) stays, *this* not.", "f(*args, **kwargs) stays, this not."),
        ("Read more in the :ref:`User Guide <k_means>`.\n\nTold.", "Told."),
        (
            "Differs from `:class:`torch.nn.Embedding` here.",
            "Differs from torch.nn.Embedding here.",
        ),
        ("For {note} see <object at 0x7f00deadbeef>.", "For see <object>."),
    ],
)
def test_prose(docstring: str, expected: str) -> None:
    assert prose(docstring) == expected
