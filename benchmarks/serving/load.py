"""The load generator, a process of its own: sends requests, notes when each was answered.

    python -m benchmarks.serving.load < plan.json > answers.json    (a Plan's fields)

Only the standard library, plain streams and request bytes made beforehand: it shares the cores with
the server it measures. It ends by itself. Knows no server's answers but their status.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

# A status of no HTTP: the connection broke, or nothing came in time; nothing could be sent.
BROKEN, TIMED_OUT, NOT_SENT = 0, -1, -2


@dataclass(frozen=True)
class Plan:
    """What to send and how.

    ``arrivals_per_s``: None for clients that ask as soon as they have their answer (closed loop);
    else requests arrive at random moments of that mean rate, however slow the answers (open loop),
    on up to ``connections`` connections. Nothing is sent after ``seconds``, which includes any
    warm-up; answers are waited for up to ``timeout_s``.
    """

    host: str
    port: int
    path: str
    content_type: str
    bodies: tuple[str, ...]
    connections: int
    seconds: float
    arrivals_per_s: float | None = None
    timeout_s: float = 60.0
    seed: int = 1

    def requests(self) -> list[bytes]:
        """The whole requests, head and body, in the documents' order."""
        made = []
        for body in self.bodies:
            content = body.encode()
            head = (
                f"POST {self.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
                f"Content-Type: {self.content_type}\r\nContent-Length: {len(content)}\r\n\r\n"
            )
            made.append(head.encode() + content)
        return made


@dataclass
class Load:
    """One run of a plan. ``answers``: (document, due, ended, status), in seconds from the start."""

    plan: Plan
    answers: list[tuple[int, float, float, int]] = field(default_factory=list)
    num_sent_again: int = 0
    _idle: list["Connection"] = field(default_factory=list)
    _num_open: int = 0
    _started: float = 0.0

    async def run(self) -> None:
        """Send until the plan's seconds are over, and wait for what is under way."""
        requests = self.plan.requests()
        order = self._order(len(requests))
        self._started = time.perf_counter()
        if self.plan.arrivals_per_s is None:
            clients = [self._ask_on(requests, order) for _ in range(self.plan.connections)]
            await asyncio.gather(*clients)
        else:
            await self._arrive(requests, order, self.plan.arrivals_per_s)

    @staticmethod
    def _order(num: int) -> Iterator[int]:
        while True:
            yield from range(num)

    def _now(self) -> float:
        return time.perf_counter() - self._started

    async def _ask_on(self, requests: list[bytes], order: Iterator[int]) -> None:
        connection = Connection(self.plan)
        while (now := self._now()) < self.plan.seconds:
            document = next(order)
            status = await self._ask(connection, requests[document])
            self.answers.append((document, now, self._now(), status))
            if status != 200:
                await asyncio.sleep(0.1)  # a refusal costs nothing: no storm of them
        connection.close()

    async def _arrive(self, requests: list[bytes], order: Iterator[int], rate: float) -> None:
        """Latency counts from when a request was due, also where it had to wait to be sent."""
        gaps = random.Random(self.plan.seed)
        due = 0.0
        tasks = []
        while (due := due + gaps.expovariate(rate)) < self.plan.seconds:
            await asyncio.sleep(max(0.0, due - self._now()))
            document = next(order)
            tasks.append(asyncio.create_task(self._answer(document, due, requests[document])))
        await asyncio.gather(*tasks)
        for connection in self._idle:
            connection.close()

    async def _answer(self, document: int, due: float, request: bytes) -> None:
        if self._idle:
            connection = self._idle.pop()
        elif self._num_open < self.plan.connections:
            connection = Connection(self.plan)
            self._num_open += 1
        else:
            self.answers.append((document, due, self._now(), NOT_SENT))
            return
        status = await self._ask(connection, request)
        self.answers.append((document, due, self._now(), status))
        self._idle.append(connection)

    async def _ask(self, connection: "Connection", request: bytes) -> int:
        """A server may close an idle connection just as it is used: then once more (RFC 9112)."""
        try:
            async with asyncio.timeout(self.plan.timeout_s):
                try:
                    return await connection.ask(request)
                except ClosedWhileIdleError:
                    self.num_sent_again += 1
                    return await connection.ask(request)
        except TimeoutError:
            status = TIMED_OUT
        except (OSError, EOFError, ValueError, ClosedWhileIdleError):
            status = BROKEN
        connection.close()
        return status


class ClosedWhileIdleError(Exception):
    """Not a byte of an answer came on a connection that had been used before."""


class Connection:
    """One keep-alive connection, opened when first used and again after it was closed."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> int:
        """The answer's status, once its whole body is there."""
        is_fresh = self._streams is None
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._plan.host, self._plan.port)
        reader, writer = self._streams
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self.close()
            if not is_fresh and not getattr(error, "partial", b""):
                raise ClosedWhileIdleError from error
            raise
        status, fields = _parse(head)
        if fields.get(b"transfer-encoding") == b"chunked":
            while size := int(await reader.readline(), 16):
                await reader.readexactly(size + 2)
            await reader.readexactly(2)
        else:
            await reader.readexactly(int(fields.get(b"content-length", b"0")))
        if fields.get(b"connection", b"").lower() == b"close":
            self.close()
        return status

    def close(self) -> None:
        if self._streams is not None:
            with suppress(OSError):
                self._streams[1].close()
            self._streams = None


def _parse(head: bytes) -> tuple[int, dict[bytes, bytes]]:
    first, *lines = head.rstrip().split(b"\r\n")
    pairs = (line.partition(b":") for line in lines)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}


def main() -> None:
    given: dict[str, Any] = json.load(sys.stdin)
    load = Load(Plan(**given))
    asyncio.run(load.run())
    json.dump({"answers": load.answers, "sent_again": load.num_sent_again}, sys.stdout)


if __name__ == "__main__":
    main()
