"""Servers and processes of the benchmarks' own, as `make run` has them, in a temporary directory.

PostgreSQL and Valkey run with the settings of the embedded servers: everything durable. The
platform's processes are the lines of the Procfile. All die with this process, and are stopped by
their ids.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Self

import psutil
import psycopg
import redis
from celery import Celery

from stack import options, procfile
from stack.identity import launch
from stack.places import Places
from stack.postgres import Postgres
from stack.valkey import Valkey
from tests.servers import Server

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 2
STOP_S = 15.0
# Every table but Django's own.
TABLES = """
SELECT string_agg(format('%I', relname), ', ') FROM pg_class
WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace
  AND relname NOT LIKE 'django%'
"""


class House:
    """One pair of servers for the whole run; `stack()` starts processes on them."""

    def __init__(self) -> None:
        self.places = Places(Path(tempfile.mkdtemp(prefix="hw-bench-")))
        self.places.prepare()
        self.port = free_port()
        self.postgres = Server(Postgres.at(self.places))
        self.valkey = Server(Valkey.at(self.places))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.valkey.stop()
        self.postgres.stop()
        shutil.rmtree(self.places.data, ignore_errors=True)

    def settings(self) -> dict[str, str]:
        """The part of the environment by which every process finds these servers."""
        valkey = self.valkey.server
        assert isinstance(valkey, Valkey)
        return {
            "HEADWATER_DATA": str(self.places.data),
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": valkey.url,
            "BROKER_URL": valkey.broker_url,
            "SECRET_KEY": "only-for-benchmarks",
            "PORT": str(self.port),
            # Where the receiver of webhooks is.
            "EGRESS_ALLOW": "127.0.0.1/32",
        }

    def start(self) -> None:
        """Start the servers and give the database its shape."""
        self.postgres.start()
        self.valkey.start()
        done = subprocess.run(
            [sys.executable, "manage.py", "migrate", "--noinput", "-v", "0"],
            cwd=ROOT,
            env=options.environment(self.settings()),
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr)

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.postgres.url, autocommit=True)

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.settings()["REDIS_URL"])

    def clear(self) -> None:
        """Leave nothing of an earlier group in the servers."""
        with self.connect() as connection:
            row = connection.execute(TABLES).fetchone()
            assert row is not None
            connection.execute(f"TRUNCATE {row[0]} CASCADE")
        with self.redis() as client:
            client.flushall()

    @contextmanager
    def stack(self, *names: str) -> Iterator[Stack]:
        """The named processes of the Procfile (`worker` twice), ready for work."""
        stack = Stack(self)
        try:
            lines = procfile.read(ROOT / "Procfile")
            for name in names:
                for number in range(1, WORKERS + 1) if name == "worker" else [0]:
                    stack.start(f"{name}{number or ''}", procfile.shell(lines[name]))
            stack.until_ready()
            yield stack
        finally:
            stack.stop()


class Stack:
    """Processes that are under way; `processor()` tells what they have used."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self, name: str, command: list[str], environment: dict[str, str] | None = None
    ) -> None:
        given = self._house.settings() | {"PROCESS": name} | (environment or {})
        with self.log(name).open("wb") as log:
            self._processes[name] = subprocess.Popen(
                launch(command),
                cwd=ROOT,
                env=options.environment(given),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def log(self, name: str) -> Path:
        return self._house.places.log / f"{name}.log"

    def until_ready(self, within_s: float = 60) -> None:
        """Every Celery process answers a ping, the web process a request for its readiness."""
        waiting = set(self._processes)
        deadline = time.monotonic() + within_s
        with Celery(broker=self._house.settings()["BROKER_URL"]) as caller:
            while waiting:
                for name in waiting:
                    self._fail_if_ended(name)
                if time.monotonic() > deadline:
                    raise RuntimeError(f"not ready within {within_s:g} s: {', '.join(waiting)}")
                if "web" in waiting and self._web_answers():
                    waiting.discard("web")
                if waiting - {"web"}:
                    nodes = [node for answer in caller.control.ping(timeout=0.3) for node in answer]
                    waiting -= {node.partition("@")[0] for node in nodes}
                else:
                    time.sleep(0.05)

    def _fail_if_ended(self, name: str) -> None:
        if self._processes[name].poll() is not None:
            raise RuntimeError(f"{name} ended: {self.log(name).read_text()[-2000:]}")

    def _web_answers(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self._house.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def processor(self) -> dict[str, float]:
        """Seconds of processor time so far: each kind of process, children of workers apart."""
        used: dict[str, float] = {}
        for name, pid in self._pids().items():
            kind = name.rstrip("0123456789")
            top = psutil.Process(pid)
            times = top.cpu_times()
            own, below = times.user + times.system, times.children_user + times.children_system
            below += sum(map(_seconds, top.children(recursive=True)))
            if kind == "worker":
                used["children"] = used.get("children", 0.0) + below
            else:
                own += below
            used[kind] = used.get(kind, 0.0) + own
        return used

    def _pids(self) -> dict[str, int]:
        pids = {name: process.pid for name, process in self._processes.items()}
        for name, server in (("postgres", self._house.postgres), ("valkey", self._house.valkey)):
            assert server.process is not None
            pids[name] = server.process.pid
        return pids

    def stop(self) -> None:
        """Ask all of them, then end what is left of each one's own session."""
        for process in self._processes.values():
            process.terminate()
        deadline = time.monotonic() + STOP_S
        for process in self._processes.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._processes.clear()


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    used: float = times.user + times.system + times.children_user + times.children_system
    return used


def wait_for(
    check: Callable[[], object], within_s: float, what: str, every_s: float = 0.05
) -> None:
    deadline = time.monotonic() + within_s
    while not check():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {within_s:g} s: {what}")
        time.sleep(every_s)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
