"""Fault 6: documents at the size limit and one byte over, slow clients, and five times too many.

Slow clients come from 127.0.0.2, since limits on connections are for each address. A burst comes
from many addresses, which together fill a queue.
"""

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message

import httpx

from benchmarks.faults.target import Neighbour, Target, good_neighbour

ALLOWED = {200, 429, 503}
SLOW_ADDRESS = "127.0.0.2"
# What a refused client is asked to wait is a few seconds; so is what the trial waits.
RECOVERY_TIMEOUT_S = 120.0


def at_the_limit(target: Target, max_body_bytes: int) -> dict[str, int]:
    """Statuses of bodies that are exactly as large as allowed, and one byte larger."""
    filled = ("the profit of the bank " * (max_body_bytes // 22)).encode()
    empty = len(json.dumps({"text": ""}))
    statuses = {}
    for name, size in (("limit", max_body_bytes), ("one byte over", max_body_bytes + 1)):
        bodies = {
            f"text, {name}": (filled[:size], "text/plain"),
            f"JSON, {name}": (
                json.dumps({"text": filled[: size - empty].decode()}).encode(),
                "application/json",
            ),
        }
        for what, (body, kind) in bodies.items():
            assert len(body) == size
            answer = httpx.post(
                target.url + target.path, content=body, headers=target.headers(kind), timeout=300
            )
            statuses[what] = answer.status_code
    return statuses


@dataclass(frozen=True)
class Slow:
    """What became of the slow clients, and of the one that was not slow."""

    num: int
    num_let_go: int
    seconds: float
    neighbour: Neighbour

    @property
    def held(self) -> bool:
        """A third sends bytes of a body, which are waited for; the others must be let go."""
        return 3 * self.num_let_go >= 2 * self.num and self.neighbour.held


def slow_clients(target: Target, num: int, seconds: float) -> Slow:
    """A third says nothing, a third sends headers, a third a body, a byte a second each."""
    return asyncio.run(_slow_clients(target, num, seconds))


async def _slow_clients(target: Target, num: int, seconds: float) -> Slow:
    head = f"POST {target.path} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
    sent = [
        ("", ""),
        (head + "X-Slow: ", "a" * 10_000),
        (head + "Content-Length: 10000\r\n\r\n", "a" * 10_000),
    ]
    deadline = time.monotonic() + seconds
    async with good_neighbour(target) as neighbour:
        clients = [_one_slow(target, *sent[n % len(sent)], deadline) for n in range(num)]
        let_go = await asyncio.gather(*clients)
    return Slow(num, sum(let_go), seconds, neighbour)


async def _one_slow(target: Target, first: str, rest: str, deadline: float) -> bool:
    """Whether the server closed the connection before the client gave up."""
    source = (SLOW_ADDRESS, 0)
    reader, writer = await asyncio.open_connection(*target.address, local_addr=source)
    closed = asyncio.create_task(_read_to_end(reader))
    try:
        writer.write(first.encode())
        for letter in rest or " ":
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                break
            done, _ = await asyncio.wait([closed], timeout=min(1.0, left_s) if rest else left_s)
            if done:
                return True
            if rest:
                writer.write(letter.encode())
        return closed.done()
    except ConnectionError:
        return True
    finally:
        closed.cancel()
        writer.close()


async def _read_to_end(reader: asyncio.StreamReader) -> None:
    try:
        await reader.read()
    except ConnectionError:
        return


@dataclass(frozen=True)
class Burst:
    """Requests a second in a steady state, what a burst was answered, how long until well again."""

    capacity_per_s: float
    num: int
    statuses: Counter[int]
    without_retry_after: int
    failed: list[str]
    longest_refusal_s: float
    recovery_s: float

    @property
    def held(self) -> bool:
        well = set(self.statuses) <= ALLOWED and not self.failed and not self.without_retry_after
        return well and self.recovery_s < RECOVERY_TIMEOUT_S


def burst(target: Target, seconds: float, text: str, times: float = 5.0) -> Burst:
    """Measure the capacity for ``seconds``, then send ``times`` as much for as long.

    Requests are sent when they are due, whether or not earlier ones have been answered.
    """
    return asyncio.run(_burst(target, seconds, text, times))


@dataclass(frozen=True)
class Answer:
    """An answer's status and headers, and the seconds until it was whole."""

    status: int
    headers: Message
    seconds: float


async def _burst(target: Target, seconds: float, text: str, times: float) -> Burst:
    request = request_of(target, text)
    capacity = await _capacity(target, request, seconds)
    num = max(1, int(times * capacity * seconds))
    started = time.monotonic()
    ends = await asyncio.gather(
        *(
            _when_due(target, request, started + n / (times * capacity), _address(n))
            for n in range(num)
        ),
        return_exceptions=True,
    )
    recovery_s = await until_well(target, request, _address(0))
    answers = [end for end in ends if isinstance(end, Answer)]
    refused = [answer for answer in answers if answer.status in (429, 503)]
    return Burst(
        capacity_per_s=capacity,
        num=num,
        statuses=Counter(answer.status for answer in answers),
        without_retry_after=sum("Retry-After" not in answer.headers for answer in refused),
        failed=[repr(end) for end in ends if not isinstance(end, Answer)],
        longest_refusal_s=max((answer.seconds for answer in refused), default=0.0),
        recovery_s=recovery_s,
    )


async def _capacity(target: Target, request: bytes, seconds: float) -> float:
    """Answers a second to 16 clients that each wait for their answer."""
    deadline = time.monotonic() + seconds

    async def ask_often(address: str) -> int:
        num = 0
        while time.monotonic() < deadline or not num:
            num += (await ask(target, request, address)).status == 200
        return num

    started = time.monotonic()
    nums = await asyncio.gather(*(ask_often(_address(n)) for n in range(16)))
    return sum(nums) / (time.monotonic() - started)


async def _when_due(target: Target, request: bytes, due: float, address: str) -> Answer:
    await asyncio.sleep(max(0.0, due - time.monotonic()))
    return await ask(target, request, address)


def _address(number: int) -> str:
    return f"127.0.0.{16 + number % 16}"


async def until_well(target: Target, request: bytes, address: str) -> float:
    """Seconds until ten requests in a row of one address are answered 200."""
    started = time.monotonic()
    in_a_row = 0
    while in_a_row < 10 and time.monotonic() - started < RECOVERY_TIMEOUT_S:
        answer = await ask(target, request, address)
        in_a_row = in_a_row + 1 if answer.status == 200 else 0
    return time.monotonic() - started


def request_of(target: Target, text: str) -> bytes:
    """Made once: httpx takes a millisecond a request, in which a burst waits for its own client."""
    body = text.encode()
    headers = {"Host": "x", "Connection": "close", "Content-Length": str(len(body))}
    lines = [f"{name}: {value}" for name, value in (headers | target.headers()).items()]
    return "\r\n".join([f"POST {target.path} HTTP/1.1", *lines, "", ""]).encode() + body


async def ask(target: Target, request: bytes, address: str, is_half_closed: bool = False) -> Answer:
    """Send a request on a connection of its own.

    Args:
        target: The server.
        request: The whole request, which closes its connection.
        address: The client's address, one of 127.0.0.0/8.
        is_half_closed: Whether the client shuts down its sending side behind the request.

    Raises:
        OSError: no answer comes.
        EOFError: the connection is closed before the end of an answer's head.
    """
    started = time.monotonic()
    reader, writer = await asyncio.open_connection(*target.address, local_addr=(address, 0))
    try:
        writer.write(request)
        if is_half_closed:
            writer.write_eof()
        async with asyncio.timeout(300):
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.read()
    finally:
        writer.close()
    status, _, headers = head.partition(b"\r\n")
    return Answer(int(status.split()[1]), message_from_bytes(headers), time.monotonic() - started)
