"""The lines of the Procfile on external servers, started as another process manager does."""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.acceptance.byhand import LINES, ByHand
from tests.calling import EMITTER, LISTENER
from tests.invariants import assert_every_slot
from tests.making import until
from tests.processes import ROOT, Process

# Seconds that units and the compose file give each.
GRACE = {"web": 10, "scheduler": 10, "worker": 15}


@pytest.fixture
def hand() -> Iterator[ByHand]:
    made = ByHand()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def systemd(hand: ByHand) -> Iterator[socket.socket]:
    """Where units of `Type=notify` tell that they are ready; it sees who says so. Once it has heard
    that it listens no more: a systemd that hangs."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(str(hand.data.parent / "notify"))
        door.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        door.settimeout(60)
        yield door


def ready_by(door: socket.socket) -> int:
    """The process that is ready: `NotifyAccess=main` heeds only who was started."""
    while True:
        said, [(_, _, credentials)], *_ = door.recvmsg(4096, socket.CMSG_SPACE(12))
        if b"READY=1" in said:
            pid: int = struct.unpack("3i", credentials)[0]
            return pid


def test_the_process_types_are_these() -> None:
    assert list(LINES) == ["web", "scheduler", "worker", "release"]


def test_two_releases_at_once_are_one_after_the_other(hand: ByHand) -> None:
    """The first is held up at the first table that it makes, with the second beside it."""
    with hand.world.connect() as blocker:
        blocker.execute("CREATE TABLE django_migrations ()")
        both = [hand.become("release", name) for name in ("release1", "release2")]
        until(lambda: waiting(both) or at_the_table(hand) == 2, 60, "both are under way")
        until(lambda: at_the_table(hand), 60, "one is at the table")
        blocker.rollback()
    assert [process.wait(60) for process in both] == [0, 0], [process.log for process in both]
    [second] = waiting(both)
    [first] = [process for process in both if process is not second]
    assert "No migrations to apply" not in first.log
    assert "created an API key" in first.log
    assert "No migrations to apply" in second.log
    assert "created" not in second.log


def waiting(releases: list[Process]) -> list[Process]:
    return [process for process in releases if "waiting for it" in process.log]


def at_the_table(hand: ByHand) -> int:
    found: int = hand.world.one(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND query LIKE 'CREATE TABLE %'"
    )
    return found


@pytest.mark.slow
def test_started_by_hand_scaled_and_stopped(hand: ByHand, systemd: socket.socket) -> None:
    notified = systemd.getsockname()
    for _ in range(2):
        released = hand.release()
        assert released.returncode == 0, released.stderr
    started = {
        "web": hand.start("web"),
        "scheduler": hand.start("scheduler"),
        "scheduler2": hand.become("scheduler", "scheduler2"),
        "worker1": hand.start("worker", "worker1"),
        "worker2": hand.become("worker", "worker2", NOTIFY_SOCKET=notified),
    }
    with hand.client() as api:
        until(lambda: well(hand) == started.keys() - {"web"}, 60, "workers.health")
        assert ready_by(systemd) == started["worker2"].popen.pid
        numbers, squares = deploy(api, EMITTER), deploy(api, LISTENER)
        parties = {"emitter_id": numbers["id"], "listener_id": squares["id"]}
        assert api.post("/subscriptions", params=parties).status_code == 200
        endpoint = numbers["configured_props"]["http"]["endpoint_url"]
        for number in range(20):
            assert httpx.post(endpoint, json={"number": number}).is_success
        until(lambda: len(events(api, squares["id"])) == 20, 30, "20 squares")
        assert sorted(e["square"] for e in events(api, squares["id"])) == [n * n for n in range(20)]
        tickers = tickers_of(hand)
        two_schedulers_are_one(hand, tickers, started["scheduler"])
    for name, process in started.items():
        if process.popen.poll() is None:
            ends_in_time(process, GRACE[name.rstrip("0123456789")])


def two_schedulers_are_one(hand: ByHand, tickers: list[str], first: Process) -> None:
    """Both tick at the same timers; then one is stopped, and the other goes on alone."""
    until(lambda: at_least(hand, tickers, 3), 30, "three slots of each")
    ends_in_time(first, GRACE["scheduler"])
    seen = max(len(hand.world.runs(source)) for source in tickers)
    until(lambda: at_least(hand, tickers, seen + 2), 30, "slots of one scheduler")
    hand.world.sql("UPDATE sources_timer SET next_fire_at = NULL")
    until(hand.world.is_quiet, 30, "all runs ended")
    for source in tickers:
        runs = hand.world.runs(source)
        assert {run.state for run in runs} == {"succeeded"}
        assert hand.world.counts(source) == list(range(1, len(runs) + 1))
        assert_every_slot(hand.world, source)


def tickers_of(hand: ByHand) -> list[str]:
    """Thirty sources, due every second: no API call makes one that often."""
    hand.world.owner = hand.world.one("SELECT id FROM accounts_user")
    return hand.world.sources(hand.world.component(), 30, interval=1)


def at_least(hand: ByHand, sources: list[str], runs: int) -> bool:
    return all(len(hand.world.runs(source)) >= runs for source in sources)


def ends_in_time(process: Process, grace_s: float) -> None:
    """SIGTERM is all it takes; the exit code says that it was no accident."""
    began = time.monotonic()
    process.signal(signal.SIGTERM)
    code = process.wait()
    assert (code, time.monotonic() - began < grace_s) == (0, True), (process.name, process.log)


def well(hand: ByHand) -> set[str]:
    """The processes of which the health check says that they consume."""
    told = subprocess.run(
        [sys.executable, "-m", "workers.health"],
        cwd=ROOT,
        env=hand.environment,
        capture_output=True,
        text=True,
    ).stdout
    return {line.split(":")[0] for line in told.splitlines() if ": ok" in line}


def deploy(api: httpx.Client, code: str) -> dict[str, Any]:
    answer = api.post("/sources", json={"component_code": code})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()["data"]
    return made


def events(api: httpx.Client, source: str) -> list[dict[str, int]]:
    listed = api.get(f"/sources/{source}/event_summaries", params={"limit": 100}).json()["data"]
    return [event["event"] for event in listed]
