"""How children and tools come into being: the zygote, their directories, their packages."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import structlog

from apps.runs.contract import Code, Limits, LoadError, RunError
from workers.runtime.broker import Broker, BrokerError
from workers.runtime.findings import Finding
from workers.runtime.packages.store import Store
from workers.runtime.process import Child
from workers.runtime.scratch import WorkerDirectory, is_fresh, renew
from workers.runtime.settings import RuntimeSettings
from workers.runtime.tool import Job, Tool, Workbench
from workers.runtime.warm import DenoTemplate

_log = structlog.get_logger(__name__)
Provide = Callable[[str], Awaitable[None]]
"""Installs the package set of that name. Raises LoadError."""


class Nursery:
    """All that children of one worker are made from. `zygotes` counts those that were started."""

    def __init__(self, settings: RuntimeSettings) -> None:
        self.provide: Provide | None = None
        self.zygotes = 0
        self.wall: list[Finding] = []
        self._settings = settings
        self._broker: Broker | None = None
        self._starting = asyncio.Lock()
        self._closed = False
        self._store = Store(settings.packages)
        self._held: dict[Child, int] = {}

    async def start(self) -> None:
        """Raises BrokerError when the wall cannot stand here."""
        self._directory = WorkerDirectory(self._settings.run_dir)
        self._template = DenoTemplate(self._settings.deno, self._settings.run_dir)
        self._private = replace(self._settings, run_dir=self._directory.path)
        if self._settings.sandbox == "unsafe":
            _log.warning("sandbox.unsafe", meaning="components run WITHOUT the wall")
        try:
            broker = await self._ready_broker()
        except BaseException:
            self._directory.close()
            raise
        self.wall = broker.wall

    async def stop(self) -> None:
        """Ends every child and every tool."""
        self._closed = True
        if self._broker is not None:
            await self._broker.close()

    async def close(self) -> None:
        """After `stop`: removes the directories."""
        await self._template.close()
        await asyncio.to_thread(self._directory.close)
        for child in tuple(self._held):
            self._let_go(child)

    async def spawn(self, code: Code, limits: Limits) -> Child:
        """A child of the code, nothing loaded. Raises LoadError, BrokerError."""
        if code.language == "javascript":
            self._template.want()
        held = None if code.packages is None else await self._hold(code.packages)
        try:
            child = await self._spawn(code, limits)
        except BaseException:
            if held is not None:
                os.close(held)
            raise
        if held is not None:
            self._held[child] = held
        return child

    async def _spawn(self, code: Code, limits: Limits) -> Child:
        packages = self.packages_of(code)
        broker = await self._ready_broker()
        try:
            child = await broker.spawn(code, limits, self._directory.take(), packages)
        except BrokerError:
            if broker.alive:
                raise
            broker = await self._ready_broker()
            child = await broker.spawn(code, limits, self._directory.take(), packages)
        child.base_anon = broker.base_anon
        return child

    async def _hold(self, name: str) -> int:
        """The package set for as long as a child needs it, installed here when this host lacks it.
        Raises LoadError, BrokerError."""
        try:
            while (held := self._store.hold(name)) is None:
                await self._provide(name)
        except OSError as error:
            raise BrokerError(f"the package set {name} cannot be opened: {error}") from error
        return held

    def look_at_open_files(self, children: Iterable[Child]) -> None:
        if self._broker is not None:
            self._broker.look_at_open_files(children)

    def packages_of(self, code: Code) -> str | None:
        return None if code.packages is None else str(self._settings.packages / code.packages)

    @asynccontextmanager
    async def workbench(self) -> AsyncIterator[Workbench]:
        """A private directory for tools that look at code or install packages; gone afterwards.
        Raises BrokerError."""
        name = self._directory.take()
        bench = Workbench(self._directory.path / name, self._start_tool)
        try:
            await asyncio.to_thread(bench.prepare)
            yield bench
        finally:
            await asyncio.shield(asyncio.to_thread(self._tidy, bench.path))

    async def _start_tool(self, job: Job, name: str) -> Tool:
        return await (await self._ready_broker()).tool(job, name)

    def _tidy(self, path: Path) -> None:
        with suppress(OSError):
            renew(path)
            self._directory.give_back(path.name)

    async def _provide(self, name: str) -> None:
        """A package set that this host lacks. Raises LoadError."""
        if self.provide is None:
            message = f"the package set {name} is not installed here"
            raise LoadError(RunError("Load Failed", message, code="load_failed"))
        await self.provide(name)

    async def _ready_broker(self) -> Broker:
        """The broker, started anew when its zygote died."""
        async with self._starting:
            if self._broker is None or not self._broker.alive:
                if self._closed:
                    raise BrokerError("the runtime is closed")
                if self._broker is not None:
                    _log.error("zygote.died")
                    await self._broker.close()
                self._broker = Broker(self._private, self._template.path)
                self.zygotes += 1
                await self._broker.start()
            return self._broker

    async def renew(self, child: Child) -> None:
        """The child is gone: its directory is for another one, and its packages are not in use."""
        self._let_go(child)
        with suppress(OSError):
            if not is_fresh(child.run_dir):
                await asyncio.to_thread(renew, child.run_dir)
            self._directory.give_back(child.run_dir.name)

    def _let_go(self, child: Child) -> None:
        held = self._held.pop(child, None)
        if held is not None:
            os.close(held)
