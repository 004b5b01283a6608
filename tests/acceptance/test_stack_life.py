"""How a stack starts, heals and stops. The servers and the supervisor are real; the processes of
the platform are stand-ins that note what happens to them (tests/fixtures/stack_project)."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg
import pytest

from stack.places import Places
from stack.postgres import Postgres
from tests.making import until
from tests.processes import Running, left_over

Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a stack on `<tmp_path>/data`; all are ended after the test."""
    started: list[Running] = []

    def start_one(**more: object) -> Running:
        data = more.pop("data", tmp_path / "data")
        assert isinstance(data, Path)
        started.append(Running(data, **more))  # type: ignore[arg-type]
        return started[-1]

    yield start_one
    for running in started:
        running.close()


def noted(running: Running, file: str) -> list[str]:
    path = running.data / file
    return path.read_text().split("\n")[:-1] if path.exists() else []


def test_one_ready_line_after_everything_is_up(start: Start) -> None:
    running = start().ready()
    assert [line for line in running.lines if line.startswith("ready:")] == [
        f"ready: http://127.0.0.1:{running.port}"
    ]
    assert sorted(noted(running, "starts")) == ["scheduler", "web", "worker1", "worker2"]
    setup = (running.data / "log/setup.log").read_text()
    assert setup.splitlines()[0] == "manage release -v 0"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_in_order_and_leaves_nothing(start: Start, number: signal.Signals) -> None:
    """F20: web, workers, Valkey, PostgreSQL, within 25 s."""
    running = start().ready()
    tree = running.tree()
    began = time.monotonic()
    assert running.stop(number) == 0
    assert time.monotonic() - began < 25
    assert left_over(tree) == []
    stops = noted(running, "stops")
    assert {line.split()[0] for line in stops[:2]} == {"web", "scheduler"}
    assert {line.split()[0] for line in stops[2:]} == {"worker1", "worker2"}
    assert all(line.endswith("postgres=1 valkey=1") for line in stops)
    log = (running.data / "log/valkey.log").read_text()
    ended = re.findall(r"(\d+ \w+ \d+ [\d:.]+) \S+ Valkey is now ready to exit", log)[-1]
    log = (running.data / "log/postgres.log").read_text()
    asked = re.findall(r"(\S+ \S+) UTC \[\d+\] LOG:  received fast shutdown request", log)[-1]
    assert moment(ended, "%d %b %Y %H:%M:%S.%f") <= moment(asked, "%Y-%m-%d %H:%M:%S.%f")
    assert "database system is shut down" in log


def moment(text: str, pattern: str) -> datetime:
    return datetime.strptime(text, pattern).replace(tzinfo=UTC)


def test_data_survive_and_the_second_start_makes_nothing_anew(start: Start) -> None:
    running = start().ready()
    assert "made a new database" in running.lines
    url = Postgres.at(Places(running.data)).url
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
    assert running.stop() == 0
    again = start().ready()
    assert "made a new database" not in again.lines
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (42,)
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
    assert list((running.data / "valkey/appendonlydir").iterdir())


@pytest.mark.parametrize("victim", ["supervisor", "keeper"])
def test_kill_9_of_the_parent_leaves_nothing(start: Start, victim: str) -> None:
    running = start().ready()
    tree = running.tree()
    getattr(running, victim).kill()
    assert running.wait() != 0
    assert left_over(tree, within_s=25) == []
    # Both servers had their clean end: PostgreSQL has nothing to recover.
    assert "database system is shut down" in (running.data / "log/postgres.log").read_text()
    assert start().ready().stop() == 0


@pytest.mark.parametrize("name", ["web", "scheduler", "worker2", "valkey", "postgres"])
def test_what_dies_is_started_again_and_its_group_is_cleared(start: Start, name: str) -> None:
    running = start().ready()
    before = running.program(name)
    family = before.children(recursive=True)
    assert family or name == "valkey"
    before.kill()

    def is_back() -> bool:
        return any(
            p.pid != before.pid and p.status() != psutil.STATUS_ZOMBIE
            for p in [_program(running, name)]
            if p is not None
        )

    until(is_back, 10, f"{name} is back")
    assert left_over(family, within_s=5) == []
    told = f"{name} was killed by SIGKILL"
    until(lambda: any(told in line for line in running.errors), 10, told)
    assert running.stop() == 0


def _program(running: Running, name: str) -> psutil.Process | None:
    try:
        return running.program(name)
    except (AssertionError, psutil.Error):
        return None


def test_a_program_that_keeps_dying_is_tried_ever_more_slowly(start: Start) -> None:
    running = start().ready()
    (running.data / "die-worker1").touch()
    running.program("worker1").kill()
    pauses = re.compile(r"worker1 .*starting it again in ([\d.]+) s")

    def told() -> list[float]:
        found = [pauses.match(line) for line in running.errors]
        return [float(match[1]) for match in found if match]

    until(lambda: len(told()) >= 4, 15, "four deaths")
    assert told()[:4] == [0.25, 0.5, 1.0, 2.0]
    (running.data / "die-worker1").unlink()
    starts = noted(running, "starts").count("worker1")
    until(lambda: noted(running, "starts").count("worker1") > starts, 10, "it recovers")


@pytest.mark.slow
def test_a_stubborn_worker_is_killed_after_its_grace(start: Start, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "stubborn-worker1").touch()
    running = start().ready()
    tree = running.tree()
    began = time.monotonic()
    assert running.stop() == 0
    assert 10 <= time.monotonic() - began < 25
    assert any("worker1 did not stop in 10 s: killed" in line for line in running.errors)
    assert left_over(tree) == []


def test_a_second_signal_does_not_wait_for_the_grace(start: Start, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "stubborn-worker1").touch()
    running = start().ready()
    tree = running.tree()
    running.process.send_signal(signal.SIGTERM)
    until(lambda: len(noted(running, "stops")) == 4, 10, "all are asked to stop")
    began = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - began < 8
    assert left_over(tree) == []


def test_signal_while_starting(start: Start) -> None:
    running = start()
    until(lambda: any("PostgreSQL" in line for line in running.lines), 20, "it starts")
    tree = running.tree()
    assert running.stop() == 0
    assert left_over(tree) == []


def test_a_reused_process_id_in_postmaster_pid_does_not_stop_the_start(start: Start) -> None:
    """What a reboot leaves: the file names a process that lives, and is not PostgreSQL."""
    running = start().ready()
    pid_file = running.data / "postgres/postmaster.pid"
    _, _, rest = pid_file.read_text().partition("\n")
    assert running.stop() == 0
    other = start(data=running.data.with_name("other")).ready()
    pid_file.write_text(f"{other.process.pid}\n{rest}")
    assert start().ready().stop() == 0
