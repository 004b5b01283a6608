"""Four hosts, one of which is cut off: links go down and nobody is killed, so that connections
stay open at both ends of a line that carries nothing."""

from __future__ import annotations

import time

import psutil
import pytest

from tests.faults.gate import Gate
from tests.machines.house import LEASE_SECONDS, LINK_SECONDS, POSTGRES_PORT, House
from tests.machines.load import Load
from tests.making import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# What a busy machine may take beyond what the settings say: a look of an idle runner, a child.
SLACK = 8.0
KILL_SLACK = 3.0
# Waits at the gate, which it tells the number of its process; and then, if it shall, until it is
# woken by a signal, for which no line is needed.
WAITING = """
import os
import signal
from urllib.request import urlopen

from headwater import Source, Store


class Waiting(Source):
    name = "Waiting"
    version = "0.0.1"
    db = Store()

    def run(self, event):
        urlopen("GATE" + str(os.getpid())).close()
        if SLEEPS:
            os.kill(os.getpid(), signal.SIGSTOP)
        count = self.db.get("count", 0) + 1
        self.db.set("count", count)
        self.emit({"count": count})
"""


def deploy(house: House, gate: Gate, *, sleeps: bool = False) -> str:
    code = WAITING.replace("GATE", gate.url).replace("SLEEPS", str(sleeps))
    made = house.ask("POST", "/sources", json={"component_code": code}).json()["data"]
    return str(made["id"])


def child(gate: Gate, arrival: int) -> int:
    """The process number that this arrival told."""
    return int(gate.callers[arrival][1].lstrip("/"))


def sleeper(gate: Gate, arrival: int) -> psutil.Process:
    """The child of this arrival, as soon as it sleeps."""
    gate.wait(arrival + 1)
    found = psutil.Process(child(gate, arrival))
    until(lambda: found.status() == psutil.STATUS_STOPPED)
    return found


def test_a_run_moves_when_its_worker_is_cut_off(house: House, load: Load, gate: Gate) -> None:
    """F5, G2, G3, G4: it ends there and begins elsewhere; its worker comes back."""
    world = house.world
    source = deploy(house, gate)
    world.queue(source)
    gate.wait()
    lost = house.worker_at(gate.callers[0][0])
    cut_at = time.monotonic()
    house.network.cut(lost.name)

    # It ends what it can no longer hold, unasked; the other one begins it anew.
    until(lambda: not psutil.pid_exists(child(gate, 0)), LEASE_SECONDS + KILL_SLACK)
    ended = time.monotonic() - cut_at
    gate.wait(2, LEASE_SECONDS + SLACK)
    print(f"child ended after {ended:.1f} s, moved within {time.monotonic() - cut_at:.1f} s")
    assert gate.callers[1][0] != lost.address
    load.goes_on()

    # Nobody believes in a line that is dead: neither the worker nor the database.
    until(lambda: not house.lines(lost.name)[POSTGRES_PORT], LINK_SECONDS + SLACK)
    print(f"worker knows after {time.monotonic() - cut_at:.1f} s")
    until(lambda: house.sessions(lost.name) == 0, LINK_SECONDS + SLACK)
    print(f"database knows after {time.monotonic() - cut_at:.1f} s")
    gate.open()
    until(lambda: world.counts(source) == [1])

    house.network.mend(lost.name)
    mended_at = time.monotonic()
    seen = len(gate.callers)
    again = [deploy(house, gate) for _ in range(4)]

    def works_again() -> bool:
        for one in again:
            if not world.mailbox(one):
                world.queue(one)
        return lost.address in [address for address, _ in gate.callers[seen:]]

    until(works_again, LINK_SECONDS + SLACK)
    print(f"works again after {time.monotonic() - mended_at:.1f} s")
    load.goes_on()
    load.end()
    load.assert_nothing_lost_and_nothing_twice()
    for one in [source, *again]:
        assert world.counts(one) == list(range(1, len(world.runs(one)) + 1))
    assert len(world.runs(source)) == 1


def test_what_a_cut_off_worker_commits_late_is_refused(
    house: House, load: Load, gate: Gate
) -> None:
    """Its run ends while it is cut off, and its commit waits in the line. When the link is back the
    commit arrives, and the source has been in other hands."""
    world = house.world
    gate.open()
    source = deploy(house, gate, sleeps=True)
    world.queue(source)
    world.queue(source)
    late = sleeper(gate, 0)
    lost = house.worker_at(gate.callers[0][0])
    before = len(house.log(lost.name))
    house.network.cut(lost.name)
    late.resume()
    # What the second run left is what an old commit would undo.
    for arrival in (1, 2):
        sleeper(gate, arrival).resume()
    until(lambda: world.counts(source) == [1, 2], LEASE_SECONDS + SLACK)
    assert gate.callers[1][0] != lost.address
    said = house.log(lost.name)[before:]
    assert house.lines(lost.name)[POSTGRES_PORT]
    assert "commit of" not in said
    assert "nothing of it kept" not in said
    house.network.mend(lost.name)
    refused = f"lease of {source} was lost; nothing of it kept"
    until(lambda: refused in house.log(lost.name), LINK_SECONDS)
    assert "commit of" not in house.log(lost.name)[before:]
    world.queue(source)
    sleeper(gate, 3).resume()
    until(lambda: len(world.counts(source)) == 3)
    load.goes_on()
    load.end()
    assert world.counts(source) == [1, 2, 3]
    assert world.store(source) == {"count": 3}
    load.assert_nothing_lost_and_nothing_twice()


def test_the_web_host_is_cut_off_from_the_database(house: House, load: Load) -> None:
    """G1, G5: it says 503 and means it; callers who send again lose nothing. The scheduler lives
    beside it: what it could not tick is noted."""
    world = house.world
    assert house.ready() == 200
    cut_at = time.monotonic()
    house.network.cut_between("web", "database")
    until(lambda: house.ready() == 503, SLACK)
    print(f"not ready after {time.monotonic() - cut_at:.1f} s")
    assert house.status("/healthz") == 200
    until(lambda: load.refused[503] >= 2, LINK_SECONDS + SLACK)
    print(f"503 after {time.monotonic() - cut_at:.1f} s")
    until(lambda: house.sessions("web") == 0, 2 * LINK_SECONDS + SLACK)
    print(f"database knows after {time.monotonic() - cut_at:.1f} s")
    accepted = [caller.accepted for caller in load.callers.values()]

    house.network.mend_between("web", "database")
    mended_at = time.monotonic()
    until(lambda: house.ready() == 200, LINK_SECONDS + SLACK)
    print(f"ready after {time.monotonic() - mended_at:.1f} s")
    load.goes_on(LINK_SECONDS + SLACK)
    print(f"all goes on after {time.monotonic() - mended_at:.1f} s")
    assert all(c.accepted > a for c, a in zip(load.callers.values(), accepted, strict=True))
    load.end()
    load.assert_nothing_lost_and_nothing_twice()
    skipped = "SELECT DISTINCT reason FROM sources_skippedslots WHERE source_id = ANY(%s)"
    assert ("downtime",) in world.sql(skipped, load.tickers)
