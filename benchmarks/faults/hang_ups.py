"""Fault 6: clients of one address that reset, half-close, or close before their answer.

Other addresses must not notice. TorchServe finishes the work of clients that have gone, so their
requests have to count for their address until TorchServe answers.
"""

import asyncio
import socket
import struct
from collections import Counter
from dataclasses import dataclass

from benchmarks.faults.limits import SLOW_ADDRESS, ask, request_of, until_well
from benchmarks.faults.target import Neighbour, Target, good_neighbour

_PATIENCE_S = 0.02
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no seconds: closing sends a reset


@dataclass(frozen=True)
class HangUps:
    """The statuses of half-closed clients (0: no answer), and another address's answers."""

    num: int
    half_closed: Counter[int]
    neighbour: Neighbour

    @property
    def held(self) -> bool:
        return set(self.half_closed) <= {200, 429} and self.neighbour.held


def hang_up(target: Target, num: int, text: str) -> HangUps:
    """Send ``num`` requests: a third resets, a third half-closes, a third closes after a moment."""
    return asyncio.run(_hang_up(target, num, text))


async def _hang_up(target: Target, num: int, text: str) -> HangUps:
    request = request_of(target, text)
    async with good_neighbour(target) as neighbour:
        half_closed = []
        for n in range(num):
            if n % 3 == 1:
                half_closed.append(asyncio.create_task(_half_close(target, request)))
            else:
                await _give_up(target, request, is_reset=n % 3 == 0)
        statuses = Counter(await asyncio.gather(*half_closed))
        await until_well(target, request, SLOW_ADDRESS)
    return HangUps(num, statuses, neighbour)


async def _half_close(target: Target, request: bytes) -> int:
    """The status of its answer; 0 where none comes."""
    try:
        return (await ask(target, request, SLOW_ADDRESS, is_half_closed=True)).status
    except (OSError, EOFError):
        return 0


async def _give_up(target: Target, request: bytes, is_reset: bool) -> None:
    _, writer = await asyncio.open_connection(*target.address, local_addr=(SLOW_ADDRESS, 0))
    writer.write(request)
    await writer.drain()
    if is_reset:
        plug: socket.socket = writer.get_extra_info("socket")
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    else:
        await asyncio.sleep(_PATIENCE_S)
    writer.close()
