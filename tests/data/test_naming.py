"""Messages stay short whatever a user's names are."""

from docsort.data.naming import counted_names, named, shortened


def test_names_are_quoted_and_counted() -> None:
    assert named(["a", "b"]) == "'a', 'b'"
    assert named("abcde", most=2) == "'a', 'b' and 3 more"
    assert named(str(n) for n in range(11)).endswith("'9' and 1 more")
    assert named([]) == ""


def test_names_are_cut_and_on_one_line() -> None:
    assert named(["x" * 41]) == f"'{'x' * 39}…'"
    assert named(["x" * 40]) == f"'{'x' * 40}'"
    assert shortened("two\nlines", characters=5) == "'two\\n…'"


def test_counts_stand_behind_names() -> None:
    assert counted_names({"a": 3, "b": 1}) == "'a' (3), 'b' (1)"
    assert counted_names({"a": 3, "b": 1}, "rows", most=1) == "'a' (3 rows) and 1 more"
