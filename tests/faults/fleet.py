"""Real processes on servers of their own: workers and schedulers as the Procfile starts them, with
short leases, and ways to hurt them.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import orjson
import redis

from stack.places import Places
from stack.postgres import Postgres
from stack.valkey import Valkey
from tests.invariants import STREAM_LENGTH, assert_every_slot
from tests.making import World, entries, until
from tests.processes import ROOT, Process, free_port
from tests.servers import Server

LEASE_SECONDS = 2.0
SWEEP_SECONDS = 1.0
# What a process is started with, besides the addresses.
SHORT = {
    "LEASE_SECONDS": str(LEASE_SECONDS),
    "SWEEP_SECONDS": str(SWEEP_SECONDS),
    "CLAIM_SECONDS": "0.3",
    "TICK_SECONDS": "0.2",
    "SLOTS": "16",
    "WARM_CHILDREN": "40",
    "EGRESS_ALLOW": "127.0.0.1/32",
    "SECRET_KEY": "only-for-tests",
}


class Servers:
    """A durable pair: what PostgreSQL has acknowledged survives kill -9; Valkey has its file."""

    def __init__(self) -> None:
        self.places = Places(Path(tempfile.mkdtemp(prefix="hw-faults-")))
        self.places.prepare()
        self.postgres = Server(Postgres.at(self.places))
        self.valkey = Server(Valkey.at(self.places))
        self.start()
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, cwd=ROOT, env=self.environment(), check=True)

    def start(self) -> None:
        self.postgres.start()
        self.valkey.start()

    def environment(self) -> dict[str, str]:
        valkey = self.valkey.server
        assert isinstance(valkey, Valkey)
        inherited = {k: v for k, v in os.environ.items() if k not in SHORT}
        return inherited | {
            "HEADWATER_DATA": str(self.places.data),
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": valkey.url,
            "BROKER_URL": valkey.broker_url,
            **SHORT,
        }

    def close(self) -> None:
        self.valkey.stop()
        self.postgres.stop()
        shutil.rmtree(self.places.data, ignore_errors=True)


class Fleet:
    """The processes of one test."""

    def __init__(self, servers: Servers, world: World, directory: Path) -> None:
        self.servers, self.world = servers, world
        self._directory = directory
        self.processes: list[Process] = []

    def worker(self, **environment: str) -> Process:
        return self._start("worker", ["-P", "solo", "-Q", "runs"], environment)

    def scheduler(self, **environment: str) -> Process:
        return self._start("scheduler", ["-P", "solo", "-Q", "tick"], environment)

    def web(self, **environment: str) -> str:
        """Its address, once it answers."""
        port = free_port()
        command = [sys.executable, "-m", "granian", "--interface", "asgi", "--no-ws"]
        command += ["--log-config", "config/granian.json"]
        command += ["--port", str(port), "config.asgi:application"]
        process = self._keep("web", command, environment)
        until(lambda: answers(port) or process.popen.poll() is not None, within_s=40)
        return f"http://127.0.0.1:{port}"

    def _start(self, kind: str, options: list[str], environment: dict[str, str]) -> Process:
        name = f"{kind}{len(self.processes)}"
        command = [sys.executable, "-m", "celery", "-q", "-A", "config", "worker", *options]
        command += ["-n", f"{name}@%h", "--without-gossip", "--without-mingle"]
        command += ["--without-heartbeat", "--loglevel", "INFO"]
        if kind == "scheduler":
            command += ["--schedule", str(self._directory / f"{name}.beat")]
        return self._keep(kind, command, environment)

    def _keep(self, kind: str, command: list[str], environment: dict[str, str]) -> Process:
        name = f"{kind}{len(self.processes)}"
        process = Process(
            name,
            command,
            self.servers.environment() | environment,
            self._directory / f"{name}.log",
        )
        self.processes.append(process)
        return process

    def redis(self, database: int = 0) -> redis.Redis:
        """Database 0 has the streams, database 1 is the broker."""
        valkey = self.servers.valkey.server
        assert isinstance(valkey, Valkey)
        return redis.Redis.from_url(valkey.url.replace("db=0", f"db={database}"))

    def end(self) -> None:
        """What they said is printed: pytest shows it with a test that has failed."""
        for process in self.processes:
            process.end()
            print(f"--- {process.name}\n{process.log}")

    def assert_alive(self) -> None:
        ended = [(p.name, p.popen.poll(), p.log) for p in self.processes]
        assert [code for _, code, _ in ended] == [None] * len(ended), ended

    # --- what must hold -------------------------------------------------------------------------

    def settle(self, within_s: float = 30) -> None:
        """Wait until everything is run, let go and published. What is left is printed."""
        try:
            until(self.world.is_quiet, within_s)
        except AssertionError:
            for table in ("actor", "mailbox", "fanout_due"):
                print(table, *self.world.sql(f"SELECT to_jsonb(t) FROM {table} AS t"), sep="\n  ")
            raise

    def more_runs(self, sources: list[str]) -> None:
        """Wait until each of these has run once more."""
        before = {source: len(self.world.runs(source)) for source in sources}
        until(lambda: all(len(self.world.runs(s)) > before[s] for s in sources))

    def stop_timers(self) -> None:
        self.world.sql("UPDATE sources_timer SET next_fire_at = NULL")

    def assert_whole(self, source: str) -> int:
        """Every run of a COUNTER source had one effect, in order, and its stream shows the same.
        Returns how many there were."""
        runs = self.world.runs(source)
        assert {run.state for run in runs} <= {"succeeded"}, runs
        assert len({(run.cause, run.key) for run in runs}) == len(runs)
        assert self.world.counts(source) == list(range(1, len(runs) + 1))
        assert self.world.store(source) == ({"count": len(runs)} if runs else {})
        with self.redis() as client:
            assert entries(client, source) == self.world.tail(source, STREAM_LENGTH)
        return len(runs)

    def assert_every_slot(self, source: str, step_s: int = 1) -> None:
        assert_every_slot(self.world, source, step_s)


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as door:
        return door.connect_ex(("127.0.0.1", port)) == 0


def usage(world: World) -> int:
    """Runs that were counted for the day's usage, rolled up or not."""
    found: int = world.one(
        "SELECT (SELECT coalesce(sum(invocations), 0) FROM accounts_usagedelta)"
        " + (SELECT coalesce(sum(invocations), 0) FROM accounts_usageday)"
    )
    return found


def payload(**values: object) -> bytes:
    return orjson.dumps(values)
