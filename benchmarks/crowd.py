"""Clients that never stop asking, and remember what each answer was. Knows no server's insides."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

DOCUMENT = "the profit of the bank, a player and the goal in the match " * 4
_HEADERS = {"Content-Type": "text/plain"}
# What a client sees when a server closes an idle connection while it sends a request on it: not a
# byte of an answer. HTTP lets servers do so at any time, and clients send again (RFC 9112, 9.3.1).
_CLOSED = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)


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
        with httpx.Client(timeout=60) as client:
            while not self._over.is_set():
                began_s = time.monotonic()
                outcome, is_failure = self._ask(client)
                self.answers.append(Answer(began_s, time.monotonic(), outcome, is_failure))
                if is_failure:
                    time.sleep(0.1)  # a refused connection costs nothing: no storm of them

    def _ask(self, client: httpx.Client) -> tuple[str, bool]:
        try:
            try:
                answer = client.post(self.url, content=DOCUMENT, headers=_HEADERS)
            except _CLOSED:
                self.num_sent_again += 1
                answer = client.post(self.url, content=DOCUMENT, headers=_HEADERS)
            if answer.status_code == 200:
                return str(answer.json()["model"]["version"]), False
            return f"{answer.status_code} {answer.json()['error']['type']}", True
        except (httpx.TransportError, ValueError, KeyError) as error:
            return type(error).__name__, True
