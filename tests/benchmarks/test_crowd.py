"""The crowd's clients and a server that breaks connections: what is sent again, what is lost."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from typing import IO

import pytest

from benchmarks.crowd import Crowd

BODY = b'{"model": {"version": "1.0"}}'
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


@contextmanager
def serving(*connections: tuple[bytes, ...]) -> Iterator[str]:
    """For each connection, in order, what its requests are answered before it is closed."""

    def answer_all(listening: socket.socket) -> None:
        for answers in connections:
            accepted, _ = listening.accept()
            with accepted, accepted.makefile("rb") as stream:
                for answer in answers:
                    read_request(stream)
                    accepted.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer_all, args=[listening])
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


def read_request(stream: IO[bytes]) -> None:
    length = 0
    while line := stream.readline().strip():
        name, _, value = line.lower().partition(b":")
        length = int(value) if name == b"content-length" else length
    stream.read(length)


@pytest.mark.parametrize(
    ("connections", "outcomes", "sent_again"),
    [
        # closed after an answer, as a reload does: not a byte of the next one
        ([(WHOLE,), (WHOLE, WHOLE)], ["1.0", "1.0", "1.0"], 1),
        # nothing at all on a connection that was never used
        ([(b"",), (WHOLE,)], ["ConnectionAbortedError", "1.0"], 0),
        # part of an answer on one that was
        ([(WHOLE, WHOLE[:-5]), (WHOLE,)], ["1.0", "IncompleteRead", "1.0"], 0),
        ([(WHOLE, WHOLE[:8]), (WHOLE,)], ["1.0", "BadStatusLine", "1.0"], 0),
    ],
)
def test_only_what_met_a_closed_idle_connection_is_sent_again(
    connections: list[tuple[bytes, ...]], outcomes: list[str], sent_again: int
) -> None:
    with serving(*connections) as address:
        crowd = Crowd(f"http://{address}/predictions/tiny", num_clients=1)
        with closing(HTTPConnection(address, timeout=60)) as connection:
            asked = [crowd._ask(connection, "/predictions/tiny") for _ in outcomes]
    assert asked == [(outcome, outcome != "1.0") for outcome in outcomes]
    assert crowd.num_sent_again == sent_again
