"""Package sets of this host: the installer of a worker, with its rows and its settings."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import replace
from functools import cache

import structlog
from django.conf import settings
from django.db import DatabaseError

from apps.components import packages
from apps.components.models import PackageSet
from workers.database import in_thread
from workers.runtime.egress import Policy
from workers.runtime.packages.installer import Installer, Resolved
from workers.runtime.packages.npm import Npm
from workers.runtime.packages.pip import Pip
from workers.runtime.packages.settings import InstallSettings
from workers.runtime.packages.store import Store
from workers.runtime.pool import Runtime

_log = structlog.get_logger(__name__)


class DatabaseRows:
    """`workers.runtime.packages.installer.Rows`, kept in the table of package sets."""

    async def fresh(self, language: str, runtime: str, manifest: str) -> str | None:
        return await in_thread(packages.fresh, language, runtime, manifest)

    async def get(self, name: str) -> Resolved | None:
        row = await in_thread(packages.get, name)
        if row is None:
            return None
        return Resolved(row.name, row.language, row.runtime, row.manifest, row.lock)

    async def record(self, resolved: Resolved) -> None:
        row = PackageSet(
            name=resolved.name,
            language=resolved.language,
            runtime=resolved.runtime,
            manifest=resolved.manifest,
            lock=resolved.lock,
        )
        await in_thread(packages.record, row)


def installer_for(runtime: Runtime) -> Installer:
    """The installer of a worker; from now on the runtime asks it for sets that it lacks."""
    installer = _installer(runtime, install_settings())
    runtime.provide_with(installer.provide)
    return installer


def patient_installer(runtime: Runtime, seconds: float) -> Installer:
    """One for what no caller waits for."""
    chosen = install_settings()
    return _installer(runtime, replace(chosen, seconds=max(seconds, chosen.seconds)))


def _installer(runtime: Runtime, chosen: InstallSettings) -> Installer:
    pip = Pip(chosen, egress_policy())
    return Installer(chosen, runtime, DatabaseRows(), [npm_for(runtime, chosen), pip])


def npm_for(runtime: Runtime, chosen: InstallSettings) -> Npm:
    return Npm(chosen, egress_policy(), _minor(_deno_version(runtime.settings.deno)))


def egress_policy() -> Policy:
    """The one policy of this installation, as the runtime knows it."""
    return Policy(settings.EGRESS_ALLOW, deny=settings.EGRESS_DENY)


def install_settings() -> InstallSettings:
    try:
        npmrc = settings.NPMRC.read_text()
    except OSError:
        npmrc = ""
    return InstallSettings(
        allowed=settings.ALLOW_INSTALLS,
        seconds=settings.INSTALL_SECONDS,
        most_bytes=settings.INSTALL_BYTES,
        most_files=settings.INSTALL_FILES,
        npm_registry=settings.NPM_REGISTRY,
        npmrc=npmrc,
        pip=(("index-url", settings.PIP_INDEX),) if settings.PIP_INDEX else (),
    )


def forget() -> int:
    """Forget sets that nothing has used for `PACKAGE_RETENTION_DAYS`. Returns how many."""
    return packages.forget_unused(settings.PACKAGE_RETENTION_DAYS)


def prune() -> list[str]:
    """Remove from this host the directories of sets that are forgotten and not in use. Returns
    their names."""
    store = Store(settings.PACKAGES_DIR)
    return store.prune(packages.names(), settings.PACKAGE_YOUNG_SECONDS)


async def keep_pruning(every_s: float) -> None:
    """In each worker process: no other host can look after this one's directories."""
    while True:
        try:
            if gone := await in_thread(prune):
                _log.info("packages.pruned", names=gone)
        except (OSError, DatabaseError) as error:
            _log.warning("packages.not_pruned", error=str(error))
        await asyncio.sleep(every_s)


@cache
def _deno_version(deno: str) -> str:
    """`2.9.8`; "0" of an executable that does not say, which then fails at the first component."""
    try:
        said = subprocess.run([deno, "--version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return "0"
    words = said.stdout.split()
    return words[1] if len(words) > 1 else "0"


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
