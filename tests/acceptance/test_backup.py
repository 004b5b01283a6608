"""A backup taken under load and restored elsewhere replays to the same state."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from stack.places import Places
from stack.valkey import Valkey
from tests.acceptance.backups import TICKER, Platform, stopped
from tests.calling import EMITTER, LISTENER, Caller
from tests.invariants import STREAM_LENGTH, assert_each_ran_once, assert_stream
from tests.loopback import Receiver
from tests.making import World, entries, until
from tests.processes import ROOT, inherited

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LISTED = "SELECT id FROM sources_source ORDER BY id"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def start(receiver: Receiver) -> Iterator[Callable[[Path], Platform]]:
    started: list[Platform] = []

    def start_one(data: Path) -> Platform:
        started.append(Platform(data, receiver))
        return started[-1]

    yield start_one
    for platform in started:
        platform.close()


@dataclass
class Backup:
    """What was taken, and what had been accepted before it was begun."""

    file: Path
    data: Path
    emitters: list[str]
    listeners: list[str]
    ticker: str
    # By emitter: how many numbers must be in the backup, and how many may be.
    before: dict[str, int]
    accepted: dict[str, int]


def command(data: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command line of the project, on a data directory."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=inherited(HEADWATER_DATA=str(data), **environment),
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def taken(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Backup:
    """A backup from the middle of a load; what it was taken of has gone on, and is stopped."""
    data = tmp_path_factory.mktemp("original")
    with ExitStack() as opened:
        platform = Platform(data, receiver)
        opened.callback(platform.close)
        emitters = [platform.deploy(EMITTER, name=f"emitter {n}") for n in range(2)]
        listeners = [platform.deploy(LISTENER, name=f"listener {n}") for n in range(2)]
        webhook = platform.webhook(receiver.url("/load"))
        for emitter in emitters:
            platform.subscribe(emitter["id"], webhook)
            for listener in listeners:
                platform.subscribe(emitter["id"], listener["id"])
        props = {"timer": {"intervalSeconds": 15}, "token": "hunter22"}
        ticker = platform.deploy(TICKER, configured_props=props)
        callers: dict[str, Caller] = {}
        for one in emitters:
            caller = Caller(one["configured_props"]["http"]["endpoint_url"])
            opened.callback(caller.stop)
            callers[one["id"]] = caller
        until(lambda: min(accepted(callers).values()) > 200, 60)
        before = accepted(callers)
        file = tmp_path_factory.mktemp("kept") / "headwater.dump"
        told = command(data, "-m", "stack", "backup", str(file))
        assert told.returncode == 0, told.stderr
        by_then = accepted(callers)
        until(lambda: all(n > by_then[one] + 20 for one, n in accepted(callers).items()), 60)
        for caller in callers.values():
            caller.stop()
        hearers = [one["id"] for one in listeners]
        return Backup(file, data, list(callers), hearers, ticker["id"], before, accepted(callers))


def accepted(callers: dict[str, Caller]) -> dict[str, int]:
    """How many numbers of each, as of now."""
    return {emitter: caller.accepted for emitter, caller in callers.items()}


def restore(taken: Backup, data: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return command(data, "-m", "stack", "restore", str(taken.file), *options)


def everything(world: World) -> dict[str, list[tuple[str, str, Any]]]:
    """Every event of the ledger, by source, in order."""
    return {
        source: [(event.id, event.channel, event.payload) for event in world.events(source)]
        for (source,) in world.sql(LISTED)
    }


def numbers(world: World, source: str) -> list[int]:
    return [event.payload["number"] for event in world.events(source)]


def test_it_replays_to_the_same_state(
    taken: Backup, start: Callable[[Path], Platform], receiver: Receiver, tmp_path: Path
) -> None:
    data = tmp_path / "copy"
    data.mkdir()
    assert taken.file.stat().st_mode & 0o777 == 0o600
    shutil.copy(taken.data / "secret_key", data / "secret_key")
    told = restore(taken, data)
    assert told.returncode == 0, told.stderr
    with stopped(data) as world:
        kept = everything(world)
        # It was in the middle of everything.
        for table in ("mailbox", "event", "run", "delivery"):
            assert world.one(f"SELECT count(*) FROM {table}"), table
        assert world.sql("SELECT 1 FROM actor WHERE token <> 0") == []
        waiting = world.sql("SELECT source_id, cause, key FROM mailbox WHERE cause <> 'timer'")
    again = restore(taken, data)
    assert (again.returncode, again.stderr) == (
        1,
        "error: the database is not empty: restore into an empty one\n",
    )

    copy = start(data)
    world = copy.world
    until(lambda: world.counts(taken.ticker)[-1] > len(kept[taken.ticker]), 60)
    pause = copy.api.put(f"/sources/{taken.ticker}", json={"active": False})
    assert pause.status_code == 200, pause.text
    until(world.is_quiet, 120)
    pending = "SELECT 1 FROM delivery WHERE state = 'pending'"
    until(lambda: not world.sql(pending), 60)

    assert_nothing_lost_and_nothing_twice(taken, world, kept)
    ended = {tuple(row) for row in world.sql("SELECT source_id, cause, key FROM run")}
    assert {tuple(row) for row in waiting} <= ended
    assert_secrets_and_ticks(taken, world)
    assert_streams(data, world)
    verified = command(data, "manage.py", "verify_ledger")
    assert verified.returncode == 0, verified.stdout
    assert "0 differences" in verified.stdout

    rebuilt = command(data, "manage.py", "rebuild_streams")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert_streams(data, world, rebuilt=True)
    assert_a_replay_says_the_same(taken, copy)


def assert_nothing_lost_and_nothing_twice(
    taken: Backup, world: World, kept: dict[str, list[tuple[str, str, Any]]]
) -> None:
    """Events of the backup first, as they were; each request and each event had one run."""
    now = everything(world)
    for source, events in kept.items():
        assert now[source][: len(events)] == events
    assert_each_ran_once(world)
    for emitter in taken.emitters:
        found = numbers(world, emitter)
        assert taken.before[emitter] <= len(found) <= taken.accepted[emitter]
        assert found == world.counts(emitter) == list(range(1, len(found) + 1))
        assert world.store(emitter) == {"count": len(found)}
        delivered = world.sql(
            "SELECT ms, n FROM delivery WHERE emitter_id = %s AND state = 'delivered'"
            " ORDER BY ms, n",
            emitter,
        )
        assert [f"{ms}-{n}" for ms, n in delivered] == [event.id for event in world.events(emitter)]
    carried = sorted(n for emitter in taken.emitters for n in numbers(world, emitter))
    for listener in taken.listeners:
        assert sorted(numbers(world, listener)) == carried


def assert_secrets_and_ticks(taken: Backup, world: World) -> None:
    """The secret prop was read before and after; the timer counts on."""
    ticks = world.events(taken.ticker)
    assert all(tick.payload["knows"] for tick in ticks)
    assert world.counts(taken.ticker) == list(range(1, len(ticks) + 1))


def assert_streams(data: Path, world: World, *, rebuilt: bool = False) -> None:
    """Each stream ends as the ledger does; once rebuilt, it shows the same."""
    with redis.Redis.from_url(Valkey.at(Places(data)).url) as client:
        for (source,) in world.sql(LISTED):
            if rebuilt:
                assert entries(client, source) == world.tail(source, STREAM_LENGTH)
            else:
                assert_stream(client, world, source)


def assert_a_replay_says_the_same(taken: Backup, copy: Platform) -> None:
    """The events of an emitter, given to its listener once more, make what they made."""
    emitter, listener = taken.emitters[0], taken.listeners[0]
    count = len(copy.world.events(emitter))
    before = copy.world.events(listener)
    asked = copy.api.post(f"/sources/{emitter}/replay", json={"listener_id": listener})
    assert asked.status_code == 202, asked.text
    assert asked.json()["data"]["events"] == count
    until(lambda: len(copy.world.events(listener)) == len(before) + count, 120)
    made = [event.payload for event in copy.world.events(listener)[len(before) :]]
    assert made == [{"number": n, "square": n * n} for n in numbers(copy.world, emitter)]


def test_without_the_key_it_says_so(taken: Backup, tmp_path: Path) -> None:
    told = restore(taken, tmp_path / "copy")
    assert told.returncode == 1
    assert "no key opens 1 of" in told.stderr
    assert "put the original's secret_key into" in told.stderr


def test_a_held_copy_does_nothing(
    taken: Backup, start: Callable[[Path], Platform], receiver: Receiver, tmp_path: Path
) -> None:
    data = tmp_path / "copy"
    data.mkdir()
    shutil.copy(taken.data / "secret_key", data / "secret_key")
    told = restore(taken, data, "--hold")
    assert told.returncode == 0, told.stderr
    assert "5 sources and 1 webhooks paused" in told.stdout
    before = len(receiver.got)
    copy = start(data)
    kept = everything(copy.world)
    # What is made in the copy runs, and is delivered: so its workers looked at the rest.
    made = copy.deploy(EMITTER, name="of the copy")
    copy.subscribe(made["id"], copy.webhook(receiver.url("/copy")))
    endpoint = made["configured_props"]["http"]["endpoint_url"]
    assert httpx.post(endpoint, json={"number": 1}).is_success
    until(lambda: any(posted.path == "/copy" for posted in receiver.got[before:]), 60)
    assert [posted.path for posted in receiver.got[before:]] == ["/copy"]
    assert {s: e for s, e in everything(copy.world).items() if s != made["id"]} == kept
    until(lambda: not copy.world.sql("SELECT 1 FROM actor WHERE pub_ms <> last_ms"), 60)
    assert_streams(data, copy.world)
    assert command(data, "manage.py", "verify_ledger").returncode == 0

    # Set active again, they go on where the backup was.
    answer = copy.api.put(f"/sources/{taken.emitters[0]}", json={"active": True})
    assert answer.status_code == 200, answer.text
    until(lambda: not copy.world.mailbox(taken.emitters[0]), 120)
    found = numbers(copy.world, taken.emitters[0])
    assert found == list(range(1, len(found) + 1))
    assert taken.before[taken.emitters[0]] <= len(found)
