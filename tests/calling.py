"""Components that count what they are called with, and a caller who will not lose a number."""

from __future__ import annotations

import threading
import uuid
from collections import Counter

import httpx

# Its own count and the caller's number: a run that is lost, or done twice, shows in one of them.
EMITTER = """
import time

from headwater import Http, Source, Store


class Numbers(Source):
    name = "Numbers"
    version = "0.0.1"
    http = Http()
    db = Store()

    def run(self, event):
        time.sleep(0.02)
        count = self.db.get("count", 0) + 1
        self.db.set("count", count)
        self.emit({"number": event.body["number"], "count": count})
"""
LISTENER = """
from headwater import Source


class Squares(Source):
    name = "Squares"
    version = "0.0.1"

    def run(self, event):
        self.emit({"number": event["number"], "square": event["number"] ** 2})
"""


class Caller:
    """Posts 1, 2, 3 … to an endpoint, each until it is accepted, as one who will not lose any: from
    now on, in a thread of its own, and in the network namespace of the one that makes it."""

    def __init__(self, endpoint: str, pause_s: float = 0) -> None:
        """`pause_s`: between a number that was accepted and the next."""
        self.endpoint = endpoint
        self._pause_s = pause_s
        self.accepted = 0
        # Of what was answered otherwise: 0 is no answer at all.
        self.refused: Counter[int] = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._post, daemon=True)
        self._thread.start()

    def stop(self, within_s: float = 60) -> None:
        """The number that is on its way is still brought home."""
        self._stop.set()
        self._thread.join(within_s)
        assert not self._thread.is_alive(), f"{self.accepted + 1} was not accepted"

    def _post(self) -> None:
        with httpx.Client(timeout=20) as client:
            while not self._stop.wait(self._pause_s):
                number = self.accepted + 1
                key = uuid.uuid4().hex
                while (status := self._try(client, number, key)) != 200:
                    self.refused[status] += 1
                    # So that it does not hammer; nothing hangs on how long.
                    self._stop.wait(0.2)
                self.accepted = number

    def _try(self, client: httpx.Client, number: int, key: str) -> int:
        try:
            headers = {"Idempotency-Key": key}
            return client.post(self.endpoint, json={"number": number}, headers=headers).status_code
        except httpx.HTTPError:
            return 0
