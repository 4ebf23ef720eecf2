"""Clients that never stop asking, and remember what each answer was. Knows no server's insides."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

DOCUMENT = "the profit of the bank, a player and the goal in the match " * 4
_HEADERS = {"Content-Type": "text/plain"}


@dataclass(frozen=True)
class Answer:
    """``outcome`` is a version, or else what went wrong. Times are of time.monotonic()."""

    began_s: float
    ended_s: float
    outcome: str
    is_failure: bool


@dataclass
class Crowd:
    """Clients in threads, each asking for the default version as soon as it has its answer."""

    url: str
    num_clients: int
    answers: list[Answer] = field(default_factory=list)
    num_sent_again: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def asking(self) -> Iterator["Crowd"]:
        """Ask while the block runs; when it ends, all answers are there."""
        threads = [threading.Thread(target=self._ask_on) for _ in range(self.num_clients)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def failures(self) -> Counter[str]:
        """What went wrong, and how often."""
        return Counter(answer.outcome for answer in self.answers if answer.is_failure)

    def versions(self, after_s: float = 0.0, before_s: float = float("inf")) -> Counter[str]:
        """The versions that answered what began and ended between two moments."""
        return Counter(
            answer.outcome
            for answer in self.answers
            if not answer.is_failure and answer.began_s > after_s and answer.ended_s < before_s
        )

    def _ask_on(self) -> None:
        url = urlsplit(self.url)
        with closing(HTTPConnection(url.netloc, timeout=60)) as connection:
            while not self._over.is_set():
                began_s = time.monotonic()
                outcome, is_failure = self._ask(connection, url.path)
                self.answers.append(Answer(began_s, time.monotonic(), outcome, is_failure))
                if is_failure:
                    time.sleep(0.1)  # a refused connection costs nothing: no storm of them

    def _ask(self, connection: HTTPConnection, path: str) -> tuple[str, bool]:
        try:
            try:
                status, body = _post(connection, path)
            except ClosedWhileIdleError:
                self.num_sent_again += 1
                status, body = _post(connection, path)
            if status == 200:
                return str(json.loads(body)["model"]["version"]), False
            return f"{status} {json.loads(body)['error']['type']}", True
        except (OSError, HTTPException, ValueError, KeyError) as error:
            connection.close()
            return type(error).__name__, True


class ClosedWhileIdleError(Exception):
    """Not a byte of an answer came on a connection that had been used before.

    HTTP lets a server close an idle connection just as a request is sent on it, and clients send
    that again (RFC 9112, 9.3.1). Whatever else breaks is a lost request.
    """


def _post(connection: HTTPConnection, path: str) -> tuple[int, bytes]:
    """The answer's status and its whole body, on the connection's socket or on a new one."""
    is_fresh = connection.sock is None
    try:
        connection.request("POST", path, DOCUMENT, _HEADERS)
        if not connection.sock.recv(1, socket.MSG_PEEK):
            raise ConnectionAbortedError
    except ConnectionError as error:
        connection.close()
        if is_fresh:
            raise
        raise ClosedWhileIdleError from error
    answer = connection.getresponse()
    return answer.status, answer.read()
