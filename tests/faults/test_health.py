"""A worker or scheduler that no longer consumes is unhealthy, whatever the reason, and well again
when it consumes: `python -m workers.health`, against real processes."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
import psycopg
import pytest

from apps.runs.processes import Seen
from tests.faults.conftest import a_fleet
from tests.faults.fleet import Fleet, Servers
from tests.making import until
from tests.processes import ROOT, Process
from tests.servers import Server
from workers import health

# Longer than a busy machine keeps a process from its turn.
SILENT = {"SILENT_SECONDS": "3"}


class Watchdog:
    """What systemd hears of a process, each with its time."""

    def __init__(self, directory: Path) -> None:
        self.address = str(directory / "notify")
        self.heard: list[tuple[float, str]] = []
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._door.bind(self.address)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while told := self._door.recv(100):
            self.heard.append((time.monotonic(), told.decode()))

    def close(self) -> None:
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()

    def fed(self, since: float) -> int:
        return [told for at, told in self.heard if at > since].count("WATCHDOG=1")


@dataclass
class House:
    """A worker and a scheduler that are well when a test begins, and well when it ends."""

    fleet: Fleet
    watchdog: Watchdog
    worker: Process
    scheduler: Process

    def start_worker(self) -> Process:
        self.worker = self.fleet.worker(
            **SILENT, PROCESS="worker1", NOTIFY_SOCKET=self.watchdog.address
        )
        return self.worker

    def well(self) -> None:
        well(self.fleet, "worker1")
        well(self.fleet, "scheduler")


@pytest.fixture(scope="module")
def house(fault_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One for all: each test leaves it as it was, and starting it takes as long as any of them."""
    directory = tmp_path_factory.mktemp("house")
    watchdog = Watchdog(directory)
    with a_fleet(fault_servers, directory) as fleet:
        address = {"NOTIFY_SOCKET": watchdog.address}
        worker = fleet.worker(**SILENT, **address, PROCESS="worker1")
        scheduler = fleet.scheduler(**SILENT, PROCESS="scheduler")
        worker.wait_ready()
        scheduler.wait_ready()
        made = House(fleet, watchdog, worker, scheduler)
        made.well()
        yield made
    watchdog.close()


def verdict(fleet: Fleet, name: str) -> str:
    """What the command would print of one process, without starting it."""
    try:
        found = health.read(fleet.world.dsn)
    except psycopg.Error:
        return "no database"
    here = health.newest(found, socket.gethostname(), name)
    return health.verdict(here[0], float(SILENT["SILENT_SECONDS"])) if here else "none"


@contextmanager
def away(fleet: Fleet, server: Server) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        fleet.servers.start()
        fleet.world.close()


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


def test_who_is_well_says_so(house: House) -> None:
    until(lambda: asked(house.fleet)[0] == 0)
    told = asked(house.fleet)[1]
    assert [line.partition(":")[0] for line in told.splitlines()] == ["scheduler", "worker1"]
    assert len(asked(house.fleet, "worker1")[1].splitlines()) == 1


def test_frozen(house: House) -> None:
    both = house.worker, house.scheduler
    for process in both:
        process.signal(signal.SIGSTOP)
    for name in ("worker1", "scheduler"):
        unwell(house.fleet, name, "silent for")
    assert asked(house.fleet)[0] == 1
    for process in both:
        process.signal(signal.SIGCONT)
    house.well()


def test_one_loop_of_several_hangs(house: House) -> None:
    """The others go on, and say which; the watchdog is not fed, as a restart would help."""
    until(lambda: house.watchdog.fed(0) > 0)
    with locked(house.fleet, "fanout_due"):
        unwell(house.fleet, "worker1", "late: fan out")
        until(lambda: house.watchdog.fed(time.monotonic() - 1.9) == 0)
    house.well()
    freed = time.monotonic()
    until(lambda: house.watchdog.fed(freed) > 0)


def test_the_loops_that_find_work_hang(house: House) -> None:
    with locked(house.fleet, "operation"), locked(house.fleet, "sources_timer"):
        unwell(house.fleet, "worker1", "silent for")
        unwell(house.fleet, "scheduler", "silent for")
    house.well()


def test_cut_off_from_the_database(house: House) -> None:
    with away(house.fleet, house.fleet.servers.postgres):
        since = time.monotonic()
        code, told = asked(house.fleet)
        assert (code, told.split(": ")[1]) == (1, "the database does not answer")
        # The loops turn all the same: a restart would help nobody.
        until(lambda: house.watchdog.fed(since) >= 3)
    house.well()


def test_without_a_broker_a_worker_is_well(house: House) -> None:
    """Hints are lost then, and nothing else: the runner finds due work by itself."""
    facts = "SELECT facts FROM process WHERE name = 'worker1' AND state <> 'stopped'"

    def connected(yes: bool) -> bool:
        return [orjson.loads(row)["broker"] for [row] in house.fleet.world.sql(facts)] == [yes]

    with away(house.fleet, house.fleet.servers.valkey):
        until(lambda: connected(False))
        house.well()
    until(lambda: connected(True))


def test_killed_and_followed_by_another(house: House) -> None:
    """Missed until another of its name has begun, and then by nobody: not as a row either."""
    fleet, killed = house.fleet, house.worker.popen.pid
    house.worker.kill()
    unwell(fleet, "worker1", "is gone")
    house.start_worker().wait_ready()
    house.well()
    assert asked(fleet)[1].count("worker1: ") == 1
    state = "SELECT state FROM process WHERE kind = 'worker' AND pid = %s AND state <> 'stopped'"
    assert fleet.world.sql(state, killed) == []
    alive = "SELECT name FROM process WHERE kind = 'worker' AND state <> 'stopped'"
    assert fleet.world.sql(alive) == [("worker1",)]


def test_stopped_in_order_it_is_no_more(house: House) -> None:
    """Nobody misses it, and its row goes to the past."""
    fleet, stopped = house.fleet, house.worker
    stopped.signal(signal.SIGTERM)
    stopped.wait()
    until(lambda: "STOPPING=1" in [told for _, told in house.watchdog.heard])
    rows = "SELECT state FROM process WHERE kind = 'worker' AND pid = %s"
    until(lambda: fleet.world.sql(rows, stopped.popen.pid) == [])
    assert fleet.world.one("SELECT state FROM process WHERE kind = 'past'") == "past"


def test_a_scheduler_says_that_it_stops(house: House) -> None:
    house.scheduler.signal(signal.SIGTERM)
    house.scheduler.wait()
    rows = "SELECT state FROM process WHERE kind = 'scheduler'"
    assert house.fleet.world.one(rows) == "stopped"


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
