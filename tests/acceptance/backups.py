"""What the tests of backups are made of: a component, a platform, a look at its database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stack.places import Places
from stack.postgres import Postgres
from tests.loopback import Receiver
from tests.making import World
from tests.processes import ROOT, Running
from tests.servers import Server

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


class Platform:
    """A stack on a directory, seen over HTTP and in its database."""

    def __init__(self, data: Path, receiver: Receiver) -> None:
        allow = f"127.0.0.0/8:{receiver.port}"
        self.running = Running(data, root=ROOT, environment={"EGRESS_ALLOW": allow})
        try:
            self.api = self.running.ready(100).client()
        except BaseException:
            self.running.close()
            raise
        self.data = data
        self.world = World(Postgres.at(Places(data)).url)

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
