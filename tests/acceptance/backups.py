"""What the tests of backups are made of: components, a receiver, a load, a look at a database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import redis

from stack.places import Places
from stack.postgres import Postgres
from tests.making import World, entries
from tests.processes import ROOT, Running
from tests.servers import Server

STREAM_LENGTH = 200

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
TICKER = """
from headwater import Source, Store, StringProp, Timer


class Ticker(Source):
    name = "Ticker"
    version = "0.0.1"
    timer = Timer()
    db = Store()
    token = StringProp(secret=True)

    def run(self, event):
        count = self.db.get("count", 0) + 1
        self.db.set("count", count)
        self.emit({"count": count, "knows": self.token == "hunter22"})
"""


class Receiver:
    """Takes webhooks, not fast; `got` has (path, message id) of each."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.got: list[tuple[str, str]] = []
        got = self.got

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                got.append((self.path, self.headers["webhook-id"]))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((address, 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.port: int = self._server.server_address[1]
        self._address = address

    def url(self, path: str) -> str:
        return f"http://{self._address}:{self.port}{path}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Load:
    """Posts numbers to endpoints in turn, from threads of its own; `accepted` has those that were
    answered with a 2xx, by endpoint."""

    def __init__(self, endpoints: list[str]) -> None:
        self.accepted: dict[str, list[int]] = {endpoint: [] for endpoint in endpoints}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._post, args=(e,)) for e in endpoints]
        for thread in self._threads:
            thread.start()

    def counts(self) -> list[int]:
        return [len(numbers) for numbers in self.accepted.values()]

    def now(self) -> dict[str, list[int]]:
        return {endpoint: list(numbers) for endpoint, numbers in self.accepted.items()}

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _post(self, endpoint: str) -> None:
        number = 0
        with httpx.Client(timeout=30) as client:
            while not self._stop.is_set():
                number += 1
                if client.post(endpoint, json={"number": number}).is_success:
                    self.accepted[endpoint].append(number)


class Platform:
    """A stack on a directory, seen over HTTP and in its database."""

    def __init__(self, data: Path, receiver: Receiver) -> None:
        allow = f"127.0.0.0/8:{receiver.port}"
        self.running = Running(data, root=ROOT, environment={"EGRESS_ALLOW": allow})
        self.running.ready(100)
        self.data = data
        self.world = World(Postgres.at(Places(data)).url)
        self.api = self.running.client()

    def deploy(self, code: str, **more: object) -> dict[str, Any]:
        answer = self.api.post("/sources", json={"component_code": code, **more})
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()["data"]
        return made

    def subscribe(self, emitter: str, listener: str) -> None:
        parties = {"emitter_id": emitter, "listener_id": listener}
        assert self.api.post("/subscriptions", params=parties).status_code == 200

    def webhook(self, url: str) -> str:
        answer = self.api.post("/webhooks", json={"url": url})
        assert answer.status_code == 200, answer.text
        made: str = answer.json()["data"]["id"]
        return made

    def close(self) -> None:
        self.api.close()
        self.world.close()
        self.running.close()


def assert_stream(client: redis.Redis, world: World, source: str) -> None:
    """The stream ends as the ledger does. It may show more lines of `$logs`, of which the ledger
    keeps so many and no more."""
    shown = entries(client, source)
    events = [entry for entry in shown if entry[1] != "$logs"]
    told = [entry for entry in world.tail(source, 100_000) if entry[1] != "$logs"]
    assert events == told[len(told) - len(events) :]
    assert len(shown) == STREAM_LENGTH or events == told


@contextmanager
def stopped(data: Path) -> Iterator[World]:
    """The database of a stack that does not run."""
    server = Server(Postgres.at(Places(data)))
    server.start()
    world = World(server.url)
    try:
        yield world
    finally:
        world.close()
        server.stop()
