"""An installer with real tools behind the real wall, and a registry on loopback."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from apps.runs.contract import Code, Invocation, Limits
from tests.packages.registry import Registry, Serving
from workers.runtime.egress import Policy
from workers.runtime.packages.installer import Ecosystem, Installer, Resolved
from workers.runtime.packages.npm import Npm
from workers.runtime.packages.pip import Pip
from workers.runtime.packages.refusal import Refused
from workers.runtime.packages.settings import InstallSettings
from workers.runtime.pool import Runtime
from workers.runtime.settings import RuntimeSettings


class Rows:
    """Resolved sets by name: what the database holds for all hosts."""

    def __init__(self) -> None:
        self.kept: dict[str, Resolved] = {}
        self.is_fresh = True

    async def fresh(self, language: str, runtime: str, manifest: str) -> str | None:
        wanted = (language, runtime, manifest)
        for found in self.kept.values():
            if self.is_fresh and (found.language, found.runtime, found.manifest) == wanted:
                return found.name
        return None

    async def get(self, name: str) -> Resolved | None:
        return self.kept.get(name)

    async def record(self, resolved: Resolved) -> None:
        self.kept[resolved.name] = resolved


class Host:
    """One host with a runtime and an installer."""

    def __init__(self, directory: Path, settings: InstallSettings, rows: Rows) -> None:
        self.rows = rows
        self.settings = settings
        self.runtime = Runtime(RuntimeSettings(run_dir=directory / "run"))
        self.installer = self.with_settings()
        self.packages = directory / "packages"

    def with_settings(self, **changes: Any) -> Installer:
        """An installer of the same host with other settings."""
        settings = replace(self.settings, **changes)
        ecosystems: list[Ecosystem] = [Npm(settings, Policy(()), "2.9"), Pip(settings, Policy(()))]
        installer = Installer(settings, self.runtime, self.rows, ecosystems)
        self.runtime.provide_with(installer.provide)
        return installer

    async def emitted(self, code: Code) -> Any:
        """What the first emit of a run holds."""
        call = Invocation(str(uuid.uuid4()), "dc_test", "run", "manual")
        outcome = await self.runtime.run(code, call, Limits(wall_s=30))
        assert outcome.error is None, outcome.error
        return orjson.loads(outcome.emits[0].payload)

    async def installed(self, code: Code, *missing: str) -> Code:
        return replace(code, packages=await self.installer.name_for(code, missing))

    async def refused(self, code: Code) -> Refused:
        with pytest.raises(Refused) as refused:
            await self.installer.name_for(code)
        return refused.value


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with Serving() as serving:
        yield serving


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> AsyncIterator[Host]:
    settings = InstallSettings(
        npm_registry=registry.address, pip=(("index-url", f"{registry.address}/simple"),)
    )
    host = Host(tmp_path_factory.mktemp("host"), settings, Rows())
    await host.runtime.start()
    yield host
    await host.runtime.close()
