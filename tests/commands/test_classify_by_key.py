"""`docsort classify --url` sends the API key that its environment holds, and no other."""

from typing import Any

import pytest

from docsort.commands import classify, main
from docsort.serving import client

ANSWER = {
    "label": "finance",
    "score": 1.0,
    "scores": [{"label": "finance", "score": 1.0}],
    "receipt": {"tokens": 1, "tokens_read": 1, "windows": 1, "answered_by": "encoder"},
}


@pytest.mark.parametrize("key", [None, "docsort_secret"])
def test_the_key_comes_from_the_environment(
    key: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def classify_at(*arguments: Any) -> list[dict[str, Any]]:
        asked.extend(arguments)
        return [ANSWER]

    monkeypatch.setattr(client, "classify_at", classify_at)
    if key is None:
        monkeypatch.delenv(classify.API_KEY_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(classify.API_KEY_VARIABLE, key)
    assert main(["classify", "--url", "http://127.0.0.1:9", "--model", "tiny", "a bank"]) == 0
    assert asked == ["http://127.0.0.1:9", "tiny", ["a bank"], None, None, key]
    assert "secret" not in capsys.readouterr().out
