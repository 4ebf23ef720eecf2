"""`docsort train --help`: every key, its value as it is set, and what conf/ says of it."""

import re

import pytest

from tests.commands.conftest import Docsort


@pytest.mark.parametrize("verb", ["train", "evaluate", "audit"])
def test_every_key_is_told_of(docsort: Docsort, verb: str) -> None:
    status, out, _ = docsort(verb, "--help")
    assert status == 0
    assert re.search(r"^  data +csv, folder, hub, library_docs, newsgroups$", out, re.MULTILINE)
    assert re.search(
        r"^  text_column: text +# the column that holds the document\. Several", out, re.M
    )
    _, _, keys = out.partition("keys as they are set now")
    settings = [line for line in keys.splitlines() if re.match(r" *\w+: \S", line)]
    assert len(settings) > 20
    assert [line for line in settings if "# " not in line] == []


def test_as_the_overrides_set_it(docsort: Docsort) -> None:
    """A chosen option's own comment comes before that of what it shares with others."""
    _, out, _ = docsort("train", "--help")
    assert re.search(r"^  precision: null +# bf16-mixed where the processor", out, re.MULTILINE)
    assert re.search(r"^    lr: 5\.0e-05 +# peak learning rate$", out, re.MULTILINE)
    _, out, _ = docsort("train", "trainer=t4", "model.optimizer.lr=2e-5", "-h")
    assert re.search(r"^  precision: 16-mixed +# or bf16-mixed", out, re.MULTILINE)
    assert re.search(r"^    lr: 2\.0e-05 ", out, re.MULTILINE)


def test_of_a_sweep(docsort: Docsort) -> None:
    status, out, err = docsort("train", "-m", "--help", "seed=1,2", "data.name=mine")
    assert status == 0, err
    assert re.search(r"^seed: 1 ", out, re.MULTILINE)
    assert re.search(r"^  name: mine ", out, re.MULTILINE)


def test_what_is_wrong_is_told_instead(docsort: Docsort) -> None:
    status, _, err = docsort("train", "--help", "model=no_such_model")
    assert status == 2
    assert "no_such_model" in err
