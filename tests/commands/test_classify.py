"""What `docsort classify` prints of an answer."""

from typing import Any

import pytest

from docsort.commands import main
from docsort.serving import client


def entry(label: str, score: float) -> dict[str, Any]:
    return {"label": label, "score": score, "threshold": 0.3}


@pytest.mark.parametrize(
    ("answer", "printed"),
    [
        ({"label": "food", "score": 0.9}, ["food", "0.900"]),
        ({"labels": ["food", "sport"]}, ["food, sport", "0.900, 0.400"]),
        ({"labels": ["sport"]}, ["sport", "0.400"]),  # food has a higher threshold
        ({"labels": []}, ["(none)", "highest 0.900"]),
    ],
)
def test_table_shows_the_scores_of_the_predicted_labels(
    answer: dict[str, Any],
    printed: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer["scores"] = [entry("food", 0.9), entry("sport", 0.4), entry("travel", 0.1)]
    answer["receipt"] = {"tokens": 2, "tokens_read": 2}
    monkeypatch.setattr(client, "classify_at", lambda *arguments: [answer])
    assert main(["classify", "--url", "http://127.0.0.1:9", "--model", "tiny", "a meal"]) == 0
    cells = [cell.strip() for cell in capsys.readouterr().out.splitlines()[-2].split("│")]
    assert cells[2:4] == printed
