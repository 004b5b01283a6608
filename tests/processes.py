"""Real processes of the platform: one with its log, or a stack started as a user starts it, and
what can be seen of it from outside."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import psutil

from tests.making import until

ROOT = Path(__file__).resolve().parents[1]
# What tests/conftest.py sets for this process and a platform of its own must not see.
OF_THE_TESTS = (
    *("HEADWATER_DATA", "DATABASE_URL", "REDIS_URL", "BROKER_URL", "SECRET_KEY"),
    "DJANGO_SETTINGS_MODULE",
)
STUB_PROJECT = ROOT / "tests/fixtures/stack_project"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def inherited(**more: str) -> dict[str, str]:
    """What this process inherited, without what is of the tests."""
    return {k: v for k, v in os.environ.items() if k not in OF_THE_TESTS} | more


def client_of(address: str, data: Path) -> httpx.Client:
    """The API of the platform at `address`, as the first user of the data directory calls it."""
    bearer = {"Authorization": f"Bearer {(data / 'api_key').read_text().strip()}"}
    return httpx.Client(base_url=f"{address}/v1", headers=bearer, timeout=100)


class Process:
    """One process of the platform."""

    def __init__(
        self, name: str, command: list[str], environment: dict[str, str], log: Path
    ) -> None:
        self.name, self.log_path = name, log
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def wait_ready(self) -> None:
        until(lambda: " ready." in self.log or self.popen.poll() is not None, within_s=40)
        assert self.popen.poll() is None, self.log

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def is_frozen(self) -> bool:
        state = Path(f"/proc/{self.popen.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "T"

    def kill(self) -> None:
        """kill -9 of this process alone: its children must notice by themselves."""
        self.popen.kill()
        self.popen.wait(10)

    def wait(self, within_s: float = 30) -> int:
        return self.popen.wait(within_s)

    def end(self) -> None:
        """And what is left of its session: Granian's workers outlive a kill of their parent."""
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(10)


class Running:
    """`python -m stack run` (or another command) on a data directory of its own; it ends with the
    `with` block."""

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
        given = {"HEADWATER_DATA": str(data), "PORT": str(self.port), **(environment or {})}
        self.process = subprocess.Popen(
            command or [sys.executable, "-m", "stack", "run", "--root", str(root)],
            cwd=ROOT,
            env=inherited(**given),
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _value: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def key(self) -> str:
        """Of the first user, who is an administrator."""
        return (self.data / "api_key").read_text().strip()

    def client(self) -> httpx.Client:
        return client_of(self.address, self.data)

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
