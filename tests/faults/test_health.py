"""A worker or scheduler that no longer consumes is unhealthy, whatever the reason, and well again
when it consumes: `python -m workers.health`, against real processes."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import orjson
import psycopg
import pytest

from apps.runs.processes import Seen
from tests.faults.fleet import ROOT, Fleet, Process
from tests.making import until
from workers import health

# Longer than a busy machine keeps a process from its turn.
SILENT = {"SILENT_SECONDS": "3"}


def verdict(fleet: Fleet, name: str) -> str:
    """What the command would print of one process, without starting it."""
    try:
        found = health.read(fleet.world.dsn)
    except psycopg.Error:
        return "no database"
    here = health.newest(found, socket.gethostname(), name)
    return health.verdict(here[0], float(SILENT["SILENT_SECONDS"])) if here else "none"


def asked(fleet: Fleet, *arguments: str) -> tuple[int, str]:
    """The command's exit code, and what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "workers.health", *arguments],
        cwd=ROOT,
        env=fleet.servers.environment() | SILENT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def well(fleet: Fleet, name: str) -> None:
    until(lambda: verdict(fleet, name).startswith("ok"), within_s=20)


def unwell(fleet: Fleet, name: str, why: str) -> None:
    """Within what is promised: the silence that is allowed, and a little to ask."""
    until(lambda: why in verdict(fleet, name), within_s=12)


@contextmanager
def locked(fleet: Fleet, table: str) -> Iterator[None]:
    """Nobody else gets at this table meanwhile: a loop that needs it hangs in its statement."""
    with psycopg.connect(fleet.world.dsn) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


def started(fleet: Fleet) -> tuple[Process, Process]:
    worker = fleet.worker(**SILENT, PROCESS="worker1")
    scheduler = fleet.scheduler(**SILENT, PROCESS="scheduler")
    worker.wait_ready()
    scheduler.wait_ready()
    well(fleet, "worker1")
    well(fleet, "scheduler")
    return worker, scheduler


def test_frozen_stuck_and_cut_off(fleet: Fleet) -> None:
    worker, scheduler = started(fleet)
    told = asked(fleet)[1]
    assert [line.partition(":")[0] for line in told.splitlines()] == ["scheduler", "worker1"]
    until(lambda: asked(fleet, "worker1")[0] == 0)
    for process, name in ((worker, "worker1"), (scheduler, "scheduler")):
        process.signal(signal.SIGSTOP)
        unwell(fleet, name, "silent for")
        process.signal(signal.SIGCONT)
        well(fleet, name)
    # One loop of several hangs: the others go on, and say which.
    with locked(fleet, "fanout_due"):
        unwell(fleet, "worker1", "late: fan out")
    well(fleet, "worker1")
    # The loop that finds work hangs.
    with locked(fleet, "operation"):
        unwell(fleet, "worker1", "silent for")
    well(fleet, "worker1")
    with locked(fleet, "sources_timer"):
        unwell(fleet, "scheduler", "silent for")
    well(fleet, "scheduler")
    fleet.servers.postgres.stop()
    code, told = asked(fleet)
    assert (code, told.split(": ")[1]) == (1, "the database does not answer")
    fleet.servers.start()
    well(fleet, "worker1")
    well(fleet, "scheduler")


def test_dead_and_stopped(fleet: Fleet) -> None:
    worker, scheduler = started(fleet)
    worker.kill()
    unwell(fleet, "worker1", "is gone")
    again = fleet.worker(**SILENT, PROCESS="worker1")
    again.wait_ready()
    well(fleet, "worker1")
    # Stopped in order it is no more: nobody misses it, and its row goes to the past.
    again.signal(signal.SIGTERM)
    again.wait()
    rows = "SELECT state FROM process WHERE kind = 'worker' AND pid = %s"
    until(lambda: fleet.world.sql(rows, again.popen.pid) == [])
    assert fleet.world.one("SELECT state FROM process WHERE kind = 'past'") == "past"
    scheduler.signal(signal.SIGTERM)
    scheduler.wait()
    assert fleet.world.one("SELECT state FROM process WHERE kind = 'scheduler'") == "stopped"


def test_who_took_the_place_of_a_dead_one_without_a_name_is_asked_instead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two that died one was replaced: the other is missed."""

    def one(pid: int, age: float, ago: float, name: str = "") -> Seen:
        return Seen("worker", name or f"worker-{pid}", "here", pid, ago, age, "ok", {})

    monkeypatch.setattr(health, "_there", lambda process: process.pid < 100)
    first, second, named = one(101, 90, 20), one(102, 90, 30), one(103, 90, 30, "worker1")
    before, after, scheduler = (
        one(1, 50, 0),
        one(2, 10, 0),
        replace(one(3, 10, 0, "scheduler-3"), kind="scheduler"),
    )

    def asked_of(*found: Seen) -> set[int]:
        return {p.pid for p in health.newest(list(found), "here", None)}

    assert asked_of(first) == {101}
    assert asked_of(first, before) == {101, 1}
    assert asked_of(first, after) == {2}
    assert asked_of(first, scheduler) == {101, 3}
    assert asked_of(first, second, after) == {102, 2}
    assert asked_of(named, after) == {103, 2}


def test_without_a_broker_a_worker_is_well(fleet: Fleet) -> None:
    """Hints are lost then, and nothing else: the runner finds due work by itself."""
    started(fleet)
    fleet.servers.valkey.stop()
    facts = "SELECT facts FROM process WHERE name = 'worker1'"
    until(lambda: orjson.loads(fleet.world.one(facts))["broker"] is False)
    well(fleet, "worker1")
    well(fleet, "scheduler")
    fleet.servers.start()
    until(lambda: orjson.loads(fleet.world.one(facts))["broker"] is True)


def test_the_watchdog_is_fed_by_the_loops(fleet: Fleet, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        address = tmp_path / "n"
        systemd.bind(str(address))
        systemd.settimeout(20)
        worker = fleet.worker(**SILENT, NOTIFY_SOCKET=str(address))
        assert systemd.recv(100) == b"READY=1"
        assert [systemd.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        # Without a database the loops turn all the same: a restart would help nobody.
        fleet.servers.postgres.stop()
        assert [systemd.recv(100) for _ in range(4)] == [b"WATCHDOG=1"] * 4
        fleet.servers.start()
        with locked(fleet, "fanout_due"):
            systemd.settimeout(1.9)
            until(lambda: silent(systemd), within_s=20)
        systemd.settimeout(20)
        assert systemd.recv(100) == b"WATCHDOG=1"
        worker.signal(signal.SIGTERM)
        until(lambda: systemd.recv(100) == b"STOPPING=1")
        worker.wait()


def silent(door: socket.socket) -> bool:
    """Whether nothing comes for as long as two feeds take."""
    try:
        door.recv(100)
    except TimeoutError:
        return True
    return False
