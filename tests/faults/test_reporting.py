"""What leaves for Sentry, from real processes to a real receiver: errors with their ids, and
nothing of what was sent to us."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.api.live import deploy, make_key
from tests.faults.fleet import Fleet
from tests.loopback import Posted, Receiver
from tests.making import until
from tests.processes import ROOT

SECRET = "hunter2-hunter2"
EMITS = """
from headwater import Http, Source


class Emits(Source):
    name = "Emits"
    version = "0.0.1"
    http = Http()

    def run(self, event):
        self.emit({"body": event["body"]})
"""


class Sentry(Receiver):
    """Takes envelopes, and keeps the events in them."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []
        self.dsn = f"http://public@127.0.0.1:{self.port}/1"

    def take(self, posted: Posted) -> int:
        _, *rest = posted.body.splitlines()
        for head, item in zip(rest[::2], rest[1::2], strict=False):
            if orjson.loads(head)["type"] == "event":
                self.events.append(orjson.loads(item))
        return 200

    def of(self, logger: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event.get("logger") == logger]

    @property
    def text(self) -> bytes:
        """All that ever came."""
        return b"".join(posted.body for posted in self.got)


@pytest.fixture
def receiver() -> Iterator[Sentry]:
    made = Sentry()
    yield made
    made.close()


def test_errors_of_web_and_worker_arrive_and_no_secret_does(fleet: Fleet, receiver: Sentry) -> None:
    url = fleet.web(SENTRY_DSN=receiver.dsn)
    worker = fleet.worker(SENTRY_DSN=receiver.dsn, PROCESS="worker7")
    worker.wait_ready()
    key = make_key(fleet.world)
    endpoint = deploy(fleet.world, EMITS)
    # What PostgreSQL refuses, it quotes: the event's payload is in its error.
    fleet.world.sql("ALTER TABLE event ADD CONSTRAINT never CHECK (false) NOT VALID")
    try:
        sent = httpx.post(f"{url}/h/{endpoint.key}", content=SECRET, timeout=20)
        assert sent.status_code == 200
        until(lambda: receiver.of("workers.committer"))
        until(lambda: "could not be stored" in worker.log or "commit of" in worker.log)
    finally:
        fleet.world.sql("ALTER TABLE event DROP CONSTRAINT never")
    told = receiver.of("workers.committer")[0]
    assert told["tags"]["source_id"] == endpoint.source_id
    assert told["tags"]["owner_id"] == fleet.world.owner
    assert told["tags"]["process"] == "worker7"
    [*_, error] = told["exception"]["values"]
    assert error["type"] == "CheckViolation"
    assert "violates check constraint" in error["value"]
    assert error["stacktrace"]["frames"][-1]["function"]

    # A table that is not there: a fault of the web process, found by its request's id.
    fleet.world.sql("ALTER TABLE sources_source RENAME TO elsewhere")
    try:
        headers = {"authorization": f"Bearer {key}", "cookie": f"sessionid={SECRET}"}
        answer = httpx.get(f"{url}/v1/users/me/sources?{SECRET}", headers=headers, timeout=20)
        assert answer.status_code >= 500
        until(lambda: receiver.of("apps.api.errors"))
    finally:
        fleet.world.sql("ALTER TABLE elsewhere RENAME TO sources_source")
    told = receiver.of("apps.api.errors")[0]
    assert told["tags"]["request_id"] == answer.headers["x-request-id"]
    assert told["tags"]["owner_id"] == fleet.world.owner
    for secret in (SECRET, key):
        assert secret.encode() not in receiver.text
        assert secret not in worker.log
    known = {"exception", "logentry", "tags", "event_id", "timestamp", "level", "logger"}
    known |= {"platform", "sdk", "release", "environment", "server_name"}
    assert {name for event in receiver.events for name in event} <= known
    assert b'"vars"' not in receiver.text


def process(code: str, path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Some process of the platform, as far as its settings."""
    begin = "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings'\n"
    return subprocess.run(
        [sys.executable, "-c", f"{begin}import django; django.setup()\n{code}"],
        cwd=ROOT,
        env={**os.environ, "HEADWATER_DATA": str(path), **environment},
        capture_output=True,
        text=True,
    )


def test_nothing_is_imported_that_nobody_asked_for(tmp_path: Path) -> None:
    code = "print('sentry_sdk' in sys.modules)"
    assert process(code, tmp_path).stdout == "False\n"
    asked = process(code, tmp_path, SENTRY_DSN="http://public@127.0.0.1:1/1")
    assert asked.stdout == "True\n"


def test_a_process_that_cannot_report_says_so_at_its_start(tmp_path: Path) -> None:
    (tmp_path / "sentry_sdk.py").write_text("raise ImportError")
    for value, path, told in (
        ("http://public@127.0.0.1:1/1", str(tmp_path), "install requirements-observe.txt"),
        ("nonsense", "", "SENTRY_DSN: "),
    ):
        ended = process("", tmp_path, SENTRY_DSN=value, PYTHONPATH=path)
        assert ended.returncode != 0
        assert told in ended.stderr.splitlines()[-1]
