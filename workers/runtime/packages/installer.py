"""The way from code to the name of an installed set of packages.

look at the imports → manifest → a set resolved lately? → resolve to a lock → name → installed here?
→ install, check, move to its name → record

Everything that the registry decides is in the lock, so that another host installs exactly it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakValueDictionary

import structlog

from apps.runs.contract import Code, LoadError, RunError
from workers.runtime.packages import store, tree
from workers.runtime.packages.imports import Package, is_relative, split
from workers.runtime.packages.refusal import FAILED, INSTALLS_OFF, Refused
from workers.runtime.packages.settings import InstallSettings
from workers.runtime.packages.store import Store
from workers.runtime.pool import Runtime
from workers.runtime.tool import Workbench

_log = structlog.get_logger(__name__)
# What the harnesses say of an import that leads nowhere.
_MISSING = re.compile(r'cannot import "([^"]{1,300})"')


@dataclass(frozen=True, slots=True)
class Resolved:
    """A set of packages as it was resolved once; the fields are those of its row."""

    name: str
    language: str
    runtime: str
    manifest: str
    lock: str


class Rows(Protocol):
    """Where resolved sets are kept for all hosts."""

    async def fresh(self, language: str, runtime: str, manifest: str) -> str | None:
        """The name of the set that the manifest was resolved to lately."""

    async def get(self, name: str) -> Resolved | None: ...

    async def record(self, resolved: Resolved) -> None:
        """Keep it, or note that it was used again."""


class Ecosystem(Protocol):
    """One package manager."""

    @property
    def language(self) -> str: ...
    @property
    def ecosystem(self) -> str: ...
    @property
    def runtime(self) -> str: ...
    @property
    def native(self) -> bool: ...

    def may_import(self, code: Code) -> bool:
        """Whether a look is worth it: False only for code that surely imports no package."""

    async def look(self, code: Code, bench: Workbench) -> Sequence[Any]: ...
    def manifest(self, code: Code, packages: Iterable[Any]) -> str: ...
    async def resolve(self, manifest: str, bench: Workbench) -> str: ...
    async def install(self, manifest: str, lock: str, bench: Workbench) -> Path: ...
    def finish(self, manifest: str, tree: Path) -> None: ...


class Installer:
    """One per worker process; use it from the runtime's event loop."""

    def __init__(
        self,
        settings: InstallSettings,
        runtime: Runtime,
        rows: Rows,
        ecosystems: Iterable[Ecosystem],
    ) -> None:
        self._settings = settings
        self._runtime = runtime
        self._rows = rows
        self._store = Store(runtime.settings.packages)
        self._ecosystems = {ecosystem.language: ecosystem for ecosystem in ecosystems}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.installs = 0
        self.seconds = settings.seconds

    async def name_for(
        self, code: Code, missing: Iterable[str] = (), seconds: float | None = None
    ) -> str | None:
        """The installed set of what the code imports, and of `missing`; None when it imports no
        package. `seconds` bound it as a whole. Raises Refused, BrokerError."""
        ecosystem = self._ecosystems[code.language]
        if not ecosystem.may_import(code):
            return None
        packages: list[Any] = []
        try:
            async with asyncio.timeout(seconds), self._runtime.workbench() as bench:
                packages = [*await ecosystem.look(code, bench), *map(split, missing)]
                return await self._name_for(ecosystem, code, packages, bench)
        except TimeoutError:
            told = f"could not be installed within {self._settings.seconds:g} s"
            raise Refused(FAILED, f"{_named(packages) or 'packages'} {told}") from None

    async def _name_for(
        self, ecosystem: Ecosystem, code: Code, packages: Sequence[Any], bench: Workbench
    ) -> str | None:
        if not packages:
            return None
        if not self._settings.allowed:
            told = f"installing packages is switched off here: {_named(packages)}"
            raise Refused(INSTALLS_OFF, told)
        manifest = ecosystem.manifest(code, packages)
        async with self._alone(f"{ecosystem.ecosystem} {manifest}"):
            name = await self._rows.fresh(code.language, ecosystem.runtime, manifest)
            if name is None or not self._store.has(name):
                name = await self._resolve(ecosystem, manifest, name, bench)
        return name

    async def provide(self, name: str) -> None:
        """The set of that name, on a host that lacks it. Raises LoadError, BrokerError."""
        try:
            async with self._alone(name):
                if self._store.has(name):
                    return
                resolved = await self._rows.get(name)
                if resolved is None:
                    raise Refused(FAILED, f"the package set {name} is not known any more")
                async with self._runtime.workbench() as bench:
                    await self._install(resolved, bench)
        except Refused as refused:
            raise LoadError(refused.error) from None

    def imports_lacking(self, error: RunError) -> list[str]:
        """The package that loading did not find, when the error tells of one: an import that was
        not seen in the code, or one that an installed package does not declare."""
        match = _MISSING.search(error.message)
        if match is None or is_relative(match[1]):
            return []
        try:
            return [split(match[1]).written]
        except Refused:
            return []

    async def _resolve(
        self, ecosystem: Ecosystem, manifest: str, known: str | None, bench: Workbench
    ) -> str:
        resolved = None if known is None else await self._rows.get(known)
        if resolved is None:
            lock = await ecosystem.resolve(manifest, bench)
            given = ecosystem.language, ecosystem.runtime, manifest, lock
            resolved = Resolved(store.name_of(ecosystem.ecosystem, *given), *given)
        await self._install(resolved, bench)
        await self._rows.record(resolved)
        return resolved.name

    async def _install(self, resolved: Resolved, bench: Workbench) -> None:
        ecosystem = self._ecosystems[resolved.language]
        async with self._store.locked(resolved.name):
            if self._store.has(resolved.name):
                return
            made = await ecosystem.install(resolved.manifest, resolved.lock, bench)
            await asyncio.to_thread(self._take_over, ecosystem, resolved, made)
            self.installs += 1
        _log.info("packages.installed", name=resolved.name)

    def _take_over(self, ecosystem: Ecosystem, resolved: Resolved, made: Path) -> None:
        tree.check(
            made,
            most_bytes=self._settings.most_bytes,
            most_files=self._settings.most_files,
            native=ecosystem.native,
        )
        ecosystem.finish(resolved.manifest, made)
        self._store.put(resolved.name, made)

    def _alone(self, what: str) -> asyncio.Lock:
        """Two at once in this worker do one install."""
        lock = self._locks.get(what)
        if lock is None:
            lock = self._locks[what] = asyncio.Lock()
        return lock


def _named(packages: Iterable[Any]) -> str:
    names = (one.name if isinstance(one, Package) else str(one) for one in packages)
    return ", ".join(dict.fromkeys(names))
