"""A worker's part that carries out operations without a source, in real children."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from apps.core.http import Client, by_settings
from tests.hosts import RAW, Hosts
from tests.packages.registry import Registry
from tests.services.way import database_url
from workers.accounts import PROVIDER_SECONDS, Accounts
from workers.database import Line
from workers.errands import Errands
from workers.runtime.pool import Runtime
from workers.runtime.settings import RuntimeSettings
from workers.settings import RunnerSettings, runner_settings

HANGS_S = 90


class Worker:
    """A thread of its own with a runtime; it looks for operations inside a `with` block only."""

    def __init__(
        self, directory: Path, hosts: Hosts | None = None, *, load_timeout_s: float = 10.0
    ) -> None:
        """`hosts`: those that it may fetch components from."""
        self._runtime = RuntimeSettings(run_dir=directory / "run", load_timeout_s=load_timeout_s)
        self._hosts = hosts
        self._working = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._stop = threading.Event()
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self.grace_seconds = 30.0
        # What asks OAuth providers; made anew for each `with` block.
        self.provider_client: Callable[[], Client] = lambda: by_settings(PROVIDER_SECONDS)

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(60)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(60)

    def __enter__(self) -> Self:
        self._idle.clear()
        self._working.set()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _value: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._working.clear()
        assert self._idle.wait(60)
        if self._failure is not None:
            raise self._failure

    async def _main(self) -> None:
        runtime = Runtime(self._runtime)
        await runtime.start()
        self._started.set()
        while not self._stop.is_set():
            # Also when the block was left before it was seen here.
            if self._working.is_set() or not self._idle.is_set():
                try:
                    await self._work(runtime)
                except Exception as error:
                    self._failure = error
                self._idle.set()
            await asyncio.sleep(0.01)
        await runtime.close()

    async def _work(self, runtime: Runtime) -> None:
        settings = _settings()
        line = Line(settings.database_url)
        client = None if self._hosts is None else self._hosts.client()
        accounts = Accounts(line, self.provider_client())
        errands = Errands(settings, runtime, line, accounts, client)
        watching = asyncio.create_task(_show_what_hangs(errands))
        while self._working.is_set():
            await errands.claim()
            await asyncio.sleep(0.01)
        watching.cancel()
        await errands.stop(self.grace_seconds)
        await accounts.stop(self.grace_seconds)


async def _show_what_hangs(errands: Errands) -> None:
    """Where all tasks wait, when something has been under way for longer than anything takes: shown
    with the test that fails for it."""
    since: dict[int, float] = {}
    clock = asyncio.get_running_loop().time
    while all(clock() - began < HANGS_S for began in since.values()):
        await asyncio.sleep(1)
        since = {number: since.get(number, clock()) for number in errands._running}
    print("hangs:", *errands._running.values(), sep="\n  ", file=sys.stderr)
    for task in asyncio.all_tasks():
        task.print_stack(file=sys.stderr)


def _settings() -> RunnerSettings:
    return replace(runner_settings(), database_url=database_url(), hook_seconds=5)


@contextmanager
def running(worker: Worker) -> Iterator[Worker]:
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the worker of a module keeps what is its own."""
    return tmp_path_factory.mktemp("worker")


@pytest.fixture(scope="module")
def started(directory: Path) -> Iterator[Worker]:
    """One for the tests of a module; override it where it needs more."""
    with running(Worker(directory)) as worker:
        yield worker


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Where GitHub's files are."""
    with Hosts(tmp_path_factory.mktemp("hosts"), RAW) as made:
        yield made


@pytest.fixture
def told(settings: Any, registry: Registry, directory: Path) -> Any:
    """The settings of a worker that installs from the module's own `registry`."""
    settings.NPM_REGISTRY = registry.address
    settings.PIP_INDEX = f"{registry.address}/simple"
    settings.PACKAGES_DIR = directory / "packages"
    return settings


@pytest.fixture
def worker(started: Worker, transactional_db: None) -> Iterator[Worker]:
    """At work as long as the test."""
    with started:
        yield started
