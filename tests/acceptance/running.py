"""A stack started as a user starts it, and what can be seen of it from outside."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
# What tests/conftest.py sets for this process and a stack of its own must not see.
OF_THE_TESTS = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE")
STUB_PROJECT = ROOT / "tests/fixtures/stack_project"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def eventually(check: Callable[[], object], within_s: float, what: str) -> None:
    """Poll a condition of the outside world; a limit, never a pause that a result hangs on."""
    deadline = time.monotonic() + within_s
    while not check():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.02)


class Running:
    """`python -m stack run` (or another command) on a data directory of its own."""

    def __init__(
        self,
        data: Path,
        *,
        root: Path = STUB_PROJECT,
        command: list[str] | None = None,
        port: int = 0,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.data = data
        self.port = port or free_port()
        servers = (
            "DATABASE_URL",
            "REDIS_URL",
            "BROKER_URL",
            "SECRET_KEY",
            "DJANGO_SETTINGS_MODULE",
        )
        inherited = {k: v for k, v in os.environ.items() if k not in servers}
        given = {"HEADWATER_DATA": str(data), "PORT": str(self.port), **(environment or {})}
        self.process = subprocess.Popen(
            command or [sys.executable, "-m", "stack", "run", "--root", str(root)],
            cwd=ROOT,
            env={**inherited, **given, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._arrivals: queue.Queue[str | None] = queue.Queue()
        outputs = ((self.process.stdout, self.lines), (self.process.stderr, self.errors))
        self._readers = [
            threading.Thread(target=self._read, args=output, daemon=True) for output in outputs
        ]
        for reader in self._readers:
            reader.start()

    def ready(self, within_s: float = 60) -> Running:
        """Wait for the ready line; its own failure shows what the stack said."""
        deadline = time.monotonic() + within_s
        while not any(line.startswith("ready: ") for line in self.lines):
            ended = self.process.poll()
            left = deadline - time.monotonic()
            assert ended is None, f"ended with {ended}\n{self.lines}\n{self.errors}"
            assert left > 0, f"not ready\n{self.lines}\n{self.errors}"
            try:
                self._arrivals.get(timeout=min(left, 0.2))
            except queue.Empty:
                continue
        return self

    @property
    def keeper(self) -> psutil.Process:
        """The process that `python -m stack` is; below `make` where that was the command."""
        top = psutil.Process(self.process.pid)
        tree = [top, *top.children(recursive=True)]
        return next(p for p in tree if p.cmdline()[1:3] == ["-m", "stack"])

    @property
    def supervisor(self) -> psutil.Process:
        return self.keeper.children()[0]

    def tree(self) -> list[psutil.Process]:
        """Every process of the stack as of now."""
        top = psutil.Process(self.process.pid)
        return [top, *top.children(recursive=True)]

    def program(self, name: str) -> psutil.Process:
        """The leader of one program, told by its environment or, for a server, by its name."""
        for process in self.supervisor.children():
            command = " ".join(process.cmdline())
            if f"/{name} -D" in command or f"{name}-server" in command:
                return process
            if name not in ("postgres", "valkey") and process.environ().get("PROCESS") == name:
                return process
        raise AssertionError(f"no program {name}")

    def wait(self, within_s: float = 30) -> int:
        """The exit code; both outputs are complete then."""
        code = self.process.wait(within_s)
        for reader in self._readers:
            reader.join(10)
        return code

    def stop(self, number: signal.Signals = signal.SIGTERM, within_s: float = 30) -> int:
        self.process.send_signal(number)
        return self.wait(within_s)

    def close(self) -> None:
        """For the end of a test, whatever happened in it."""
        if self.process.poll() is None:
            tree = self.tree()
            self.process.send_signal(signal.SIGTERM)
            _, left = psutil.wait_procs(tree, timeout=30)
            for process in left:
                process.kill()
            self.wait()

    def _read(self, stream: object, lines: list[str]) -> None:
        assert hasattr(stream, "__iter__")
        for line in stream:
            lines.append(line.rstrip("\n"))
            self._arrivals.put(line)


def left_over(processes: list[psutil.Process], within_s: float = 0) -> list[str]:
    """Those of the processes that still run, zombies not counted."""
    _, alive = psutil.wait_procs(processes, timeout=within_s)
    return [
        f"{p.pid} {p.cmdline()}"
        for p in alive
        if p.is_running() and p.status() != psutil.STATUS_ZOMBIE
    ]
