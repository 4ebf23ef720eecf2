"""Fault 5: thousands of seeded malformed requests, each of which must be refused or closed.

Every request here is wrong on purpose, so that whatever is answered 2xx or 5xx is a finding.
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.faults.target import Neighbour, Target, good_neighbour

CROWD = 16
# Nginx lets a client be silent for 10 s; a loaded machine takes its time.
TIMEOUT_S = 60.0
PATIENCE_S = 2.0


@dataclass(frozen=True)
class Malformed:
    """What came of the requests: how many had which end, and whose end was none of the allowed."""

    ends: Counter[str]
    findings: list[str]
    longest_s: float
    same_workers: bool
    neighbour: Neighbour

    @property
    def held(self) -> bool:
        return not self.findings and self.same_workers and self.neighbour.held


def throw(target: Target, num: int, seed: int) -> Malformed:
    """Send ``num`` of them, ``CROWD`` at a time, beside a good neighbour."""
    return asyncio.run(_throw(target, num, seed))


async def _throw(target: Target, num: int, seed: int) -> Malformed:
    generator = random.Random(seed)
    requests = [malformed(generator, target.path) for _ in range(num)]
    before = target.workers()
    gate = asyncio.Semaphore(CROWD)
    ends: Counter[str] = Counter()
    findings: list[str] = []
    longest_s = 0.0

    async def send(name: str, content: bytes) -> None:
        nonlocal longest_s
        async with gate:
            started = time.perf_counter()
            end = await end_of(target.address, content)
            longest_s = max(longest_s, time.perf_counter() - started)
        ends[end] += 1
        if end != "closed" and not end.startswith("4"):
            findings.append(f"{name}: {end}: {content[:200]!r}")

    async with good_neighbour(target) as neighbour:
        await asyncio.gather(*(send(*request) for request in requests))
    return Malformed(ends, findings, longest_s, target.workers() == before, neighbour)


async def end_of(address: tuple[str, int], content: bytes) -> str:
    """The status of the first answer to these bytes, ``closed`` or ``silence``."""
    try:
        reader, writer = await asyncio.open_connection(*address)
        try:
            writer.write(content)
            answer = asyncio.create_task(reader.readline())
            await asyncio.wait([answer], timeout=PATIENCE_S)
            if not answer.done():  # it waits for more, of which there is none
                writer.write_eof()
            line = await asyncio.wait_for(answer, TIMEOUT_S)
        finally:
            writer.close()
    except TimeoutError:
        return "silence"
    except ConnectionError:
        return "closed"
    words = line.split()
    if not words:
        return "closed"
    return words[1].decode() if words[0].startswith(b"HTTP/") and len(words) > 1 else "no HTTP"


def malformed(generator: random.Random, path: str) -> tuple[str, bytes]:
    """One request that no server should answer, and what is wrong with it."""
    make = generator.choice(_KINDS)
    return make.__name__.strip("_"), make(generator, path)


def _post(
    path: str, body: bytes, content_type: str, *more: bytes, length: str | None = None
) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1".encode(),
        b"Host: x",
        f"Content-Type: {content_type}".encode(),
        f"Content-Length: {len(body) if length is None else length}".encode(),
        *more,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _json(path: str, body: bytes) -> bytes:
    return _post(path, body, "application/json")


def _not_utf8(generator: random.Random, path: str) -> bytes:
    body = generator.randbytes(generator.randint(0, 300)) + b"\xff" + generator.randbytes(20)
    return _post(path, body, generator.choice(["text/plain", "application/json"]))


def _surrogate(generator: random.Random, path: str) -> bytes:
    escaped = f"\\u{generator.randint(0xD800, 0xDFFF):04x}"
    return _json(path, b'{"text": "a ' + escaped.encode() + b' b"}')


def _no_word(generator: random.Random, path: str) -> bytes:
    blank = generator.choice([b" \t\n", b"\x00", b"\x00\x01\x02 ", b""])
    return _post(path, blank * generator.randint(1, 40), "text/plain")


def _nested(generator: random.Random, path: str) -> bytes:
    deep = generator.choice([100, 1_000, 100_000])
    opening = generator.choice([b"[", b'{"text":', b'{"inputs":['])
    return _json(path, opening * deep)


def _wrong_type(generator: random.Random, path: str) -> bytes:
    wrong = generator.choice([None, True, 7, -1.5, [], {}, [1], ["a", None], {"a": "b"}, ""])
    field = generator.choice(["text", "inputs", "parameters", "Text", "data"])
    content = {field: wrong} if field != "parameters" else {"text": "a", field: wrong or 3}
    if generator.random() < 0.2:
        return _json(path, json.dumps(wrong).encode())
    return _json(path, json.dumps(content).encode())


def _huge_number(generator: random.Random, path: str) -> bytes:
    digits = b"9" * generator.choice([20, 400, 5_000, 20_000])
    number = generator.choice([digits, b"-" + digits, b"1e" + digits, b"0." + digits, b"NaN"])
    return _json(path, b'{"text": "a", "parameters": {"top_k": ' + number + b"}}")


def _cut_json(generator: random.Random, path: str) -> bytes:
    whole = b'{"inputs": ["a bank", "the profit"], "parameters": {"top_k": 1}}'
    return _json(path, whole[: generator.randint(0, len(whole) - 1)])


def _random_body(generator: random.Random, path: str) -> bytes:
    return _json(path, generator.randbytes(generator.randint(1, 2_000)))


def _content_type(generator: random.Random, path: str) -> bytes:
    wrong = ["", "text", "text/html", "multipart/form-data; boundary=x", "image/png", "*/*",
             "application/x-www-form-urlencoded", "text/plain; charset=utf-16"]  # fmt: skip
    return _post(path, b"a bank", generator.choice(wrong), b"describe: True", b"explain: True")


def _length(generator: random.Random, path: str) -> bytes:
    wrong = [
        "-1",
        "+6",
        "0x6",
        "6 6",
        "6, 6",
        "six",
        "1e1",
        "",
        "99999999999999999999",
        "7",
        "1000",
    ]
    return _post(path, b"a bank", "text/plain", length=generator.choice(wrong))


def _two_lengths(generator: random.Random, path: str) -> bytes:
    second = f"Content-Length: {generator.randint(0, 99)}".encode()
    return _post(path, b"a bank", "text/plain", second)


def _transfer_encoding(generator: random.Random, path: str) -> bytes:
    coding = generator.choice([b"chunked", b"gzip, chunked", b"identity", b"\x0bchunked", b"x"])
    head = _post(path, b"", "text/plain", b"Transfer-Encoding: " + coding, length="6")
    return head + generator.choice([b"6\r\na bank\r\n0\r\n\r\n", b"zz\r\n", b"0\r\n\r\nGET / x"])


def _content_encoding(generator: random.Random, path: str) -> bytes:
    coding = generator.choice([b"gzip", b"br", b"deflate", b"identity", b"x"])
    return _post(path, generator.randbytes(50), "text/plain", b"Content-Encoding: " + coding)


def _header_flood(generator: random.Random, path: str) -> bytes:
    many = generator.choice([1_000, 5_000])
    return _post(path, b"", "text/html", *(b"X-%d: %s" % (n, b"a" * 50) for n in range(many)))


def _large_header(generator: random.Random, path: str) -> bytes:
    return _post(path, b"a", "text/plain", b"X: " + b"a" * generator.choice([9_000, 60_000]))


def _header_bytes(generator: random.Random, path: str) -> bytes:
    odd = generator.choice([b"X\x00: a", b"X: a\x00b", b": a", b"no colon", b"X y: a", b"\xff: a"])
    return _post(path, b"", "text/html", odd)


def _request_line(generator: random.Random, path: str) -> bytes:
    method = generator.choice(["post", "P\x00ST", "", "POST POST", "GET", "BREW", "P" * 9_000])
    version = generator.choice(["HTTP/1.1", "HTTP/9.9", "HTTP/1.", "HTP/1.1", "HTTP/-1.1"])
    where = generator.choice([path, "*", "/../..", "/%zz", "\\", "/" + "a" * 9_000])
    return f"{method} {where} {version}\r\nHost: x\r\n\r\n".encode()


def _host(generator: random.Random, path: str) -> bytes:
    hosts = generator.choice(["", "Host: a\r\nHost: b\r\n", "Host: a/b\r\n", "Host: \x01\r\n"])
    return f"GET {path} HTTP/1.1\r\n{hosts}\r\n".encode()


def _noise(generator: random.Random, path: str) -> bytes:
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # how TLS begins
    http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    some = generator.randbytes(generator.randint(1, 3_000))
    return generator.choice([some, hello + some, http2, b"\r\n" * 500, b"\x00" * 500])


_KINDS: tuple[Callable[[random.Random, str], bytes], ...] = (
    _not_utf8,
    _surrogate,
    _no_word,
    _nested,
    _wrong_type,
    _huge_number,
    _cut_json,
    _random_body,
    _content_type,
    _length,
    _two_lengths,
    _transfer_encoding,
    _content_encoding,
    _header_flood,
    _large_header,
    _header_bytes,
    _request_line,
    _host,
    _noise,
)
