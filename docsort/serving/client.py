"""A client of the endpoint: texts to the answers that its contract describes. Knows no bundle."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from docsort.core.errors import ConfigError, RequestError, ServingError
from docsort.core.rest import MAX_DOCUMENTS

# Well under the endpoint's default limit of 1 MiB; one larger document goes alone.
_MAX_PART_BYTES = 1 << 19
_TIMEOUT_S = 300.0
_KEY = re.compile("[!-~]+")


def classify_at(
    url: str,
    model: str,
    texts: Sequence[str],
    version: str | None = None,
    top_k: int | None = None,
    api_key: str | None = None,
) -> list[dict[str, Any]]:
    """The endpoint's answers to ``texts``, in their order; sent in parts that it accepts.

    Raises:
        ConfigError: ``url`` is none, or ``api_key`` cannot be one.
        RequestError: the endpoint refuses; ``index`` is the document's place in ``texts``.
        ServingError: it does not answer, or what answers is no docsort.
    """
    parameters = {} if top_k is None else {"parameters": {"top_k": top_k}}
    path = "/".join([url.rstrip("/"), "predictions", model, *([version] if version else [])])
    if api_key and not _KEY.fullmatch(api_key):  # httpx would show it in its refusal
        raise ConfigError(
            "the API key holds a space, a line break or another character that no key has; give "
            "it as `docsort keys add` printed it"
        )
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    answers: list[dict[str, Any]] = []
    with httpx.Client(timeout=_TIMEOUT_S, headers=headers) as client:
        for part in _parts(texts):
            body = json.dumps({"inputs": part, **parameters}).encode()
            answers.extend(_classify_part(client, path, body, len(part), len(answers)))
    return answers


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    part: list[str] = []
    size = 0
    for text in texts:
        length = len(json.dumps(text))  # ASCII: as many bytes as characters
        if part and (size + length > _MAX_PART_BYTES or len(part) == MAX_DOCUMENTS):
            yield part
            part, size = [], 0
        part.append(text)
        size += length
    if part:
        yield part


def _classify_part(
    client: httpx.Client, path: str, body: bytes, num_texts: int, before: int
) -> list[dict[str, Any]]:
    try:
        response = client.post(path, content=body, headers={"Content-Type": "application/json"})
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise ConfigError(
            f"--url: {path} is not an address; give one such as http://127.0.0.1:1337"
        ) from error
    except httpx.TransportError as error:
        raise ServingError(
            f"{path} does not answer ({error}); is `docsort serve` running there?"
        ) from error
    try:
        content = response.json()
        if response.is_success and len(content) == num_texts:
            return list(content)
        refusal = content["error"]
        index = refusal.get("index")
        refused = RequestError(
            refusal["code"],
            refusal["type"],
            f"{path} answers {refusal['code']}: {refusal['message']}",
            None if index is None else index + before,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ServingError(
            f"{path} answers {response.status_code}, and not as docsort would; check --url"
        ) from error
    raise refused
