"""npm packages, by Deno: looked for, resolved to a lock file, installed from it, scripts off."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from apps.runs.contract import Code
from workers.runtime.egress import Policy
from workers.runtime.packages import imports
from workers.runtime.packages.door import door
from workers.runtime.packages.imports import Package
from workers.runtime.packages.manifest import declared_versions, npm_manifest, versioned
from workers.runtime.packages.refusal import (
    FAILED,
    NO_SUCH_VERSION,
    NOT_FOUND,
    UNREACHABLE,
    Refused,
)
from workers.runtime.packages.registries import addresses_in
from workers.runtime.packages.settings import InstallSettings
from workers.runtime.tool import Ended, Job, TooMuch, Workbench

LANGUAGE: Final = "javascript"
ECOSYSTEM: Final = "npm"
NATIVE: Final = False
# The words without which code imports nothing.
_HINT: Final = re.compile(r"\b(?:require|import|from)\b")
LOOK: Final = (
    "info", "--json", "--quiet", "--no-config", "--no-lock", "--no-remote",
    "--node-modules-dir=manual", "--unstable-detect-cjs", "--unstable-sloppy-imports",
)  # fmt: skip
_INSTALL: Final = ("install", "--quiet", "--node-modules-dir=auto", "--lock=deno.lock")
_PROBE: Final = '{"dependencies": {"headwater": "*"}}'
_MISSING: Final = re.compile(r"npm package '([^']+)' does not exist")
_VERSION: Final = re.compile(r"Could not find (?:npm package|dist-tag) '.*? matching '|dist-tag '")
_LOADING: Final = re.compile(r'Failed loading (\S+) for package "([^"]+)"')
# Hosts of the operator's configuration file; the rest of such a file is about npm itself.
_KEPT: Final = re.compile(
    r"(?:@[\w.-]+:)?registry\s*=|//\S+?:(?:_authToken|_auth|username|_password)\s*="
)


class Npm:
    """What differs between ecosystems; `installer.Installer` has the way."""

    language: Final = LANGUAGE
    ecosystem: Final = ECOSYSTEM
    native: Final = NATIVE

    def __init__(self, settings: InstallSettings, policy: Policy, version: str) -> None:
        """`policy` decides on addresses; `version` is Deno's, as `major.minor`."""
        self._policy = policy
        self.runtime = f"deno {version}"
        self._settings = settings
        self._registries: list[str] | None = None

    def may_import(self, code: Code) -> bool:
        return any(_HINT.search(text) for text in (code.text, *code.files.values()))

    async def look(self, code: Code, bench: Workbench) -> list[Package]:
        """The packages that the code and the files beside it import. Raises Refused, BrokerError.

        Code that does not parse imports nothing: loading it says what is wrong.
        """
        for path, text in code.files.items():
            bench.write(path, text)
        stem = re.sub(r"\.[mc]?js$", "", code.entry)
        for entry in dict.fromkeys((code.entry, f"{stem}.ts")):
            if entry in code.files:
                continue
            bench.write(entry, code.text)
            job = Job(LANGUAGE, [*LOOK, f"./{entry}"], _environment())
            ended = await self._run(bench, job)
            graph = _parsed(ended.output)
            root = f"file://{bench.code / entry}"
            if graph is not None and root not in imports.broken_files(graph):
                return imports.packages_of(graph)
        return []

    async def registry_of(self, name: str, bench: Workbench) -> str:
        """The address of the registry that Deno asks for this package. Raises Refused."""
        self._write(bench, json.dumps({"dependencies": {name: "*"}}), None)
        job = Job(LANGUAGE, [*_INSTALL, "--lockfile-only"], _environment())
        ended = await self._run(bench, job)
        for address in addresses_in(unquote(ended.errors.decode(errors="replace"))):
            if address.endswith(f"/{name}"):
                return address.removesuffix(f"/{name}")
        raise Refused(UNREACHABLE, f'no registry is configured for the package "{name}"')

    def manifest(self, code: Code, packages: Iterable[Package]) -> str:
        """Raises Refused for a declared version that is none."""
        return npm_manifest(packages, declared_versions(_package_json(code)))

    async def resolve(self, manifest: str, bench: Workbench) -> str:
        """The lock of the manifest as the registry answers now. Raises Refused, BrokerError."""
        await self._learn(bench)
        self._write(bench, manifest, None)
        await self._install(bench, "--lockfile-only")
        try:
            return (bench.code / "deno.lock").read_text()
        except (OSError, ValueError):
            raise Refused(FAILED, "the packages could not be resolved") from None

    async def install(self, manifest: str, lock: str, bench: Workbench) -> Path:
        """The installed tree, not checked yet: a directory that holds `node_modules`."""
        await self._learn(bench)
        self._write(bench, manifest, lock)
        await self._install(bench, "--frozen")
        tree = bench.path / "set"
        tree.mkdir()
        try:
            (bench.code / "node_modules").rename(tree / "node_modules")
        except OSError:
            raise Refused(FAILED, "the packages could not be installed") from None
        return tree

    def finish(self, manifest: str, tree: Path) -> None:
        """Put what code imports with a version under that name, in a tree that was checked."""
        modules = tree / "node_modules"
        for written, alias in versioned(manifest).items():
            link = modules / written
            link.parent.mkdir(exist_ok=True)
            target = (modules / alias).resolve()
            link.symlink_to(os.path.relpath(target, link.parent))

    # --- the tool -------------------------------------------------------------------------------

    def _write(self, bench: Workbench, manifest: str, lock: str | None) -> None:
        bench.clear()
        bench.write("package.json", manifest)
        bench.write(".npmrc", self._npmrc())
        if lock is not None:
            bench.write("deno.lock", lock)

    def _npmrc(self) -> str:
        lines = [line for line in self._settings.npmrc.splitlines() if _KEPT.match(line.strip())]
        if self._settings.npm_registry:
            lines = [line for line in lines if not re.match(r"\s*registry\s*=", line)]
            lines.append(f"registry={self._settings.npm_registry}")
        return "".join(f"{line.strip()}\n" for line in lines)

    async def _install(self, bench: Workbench, how: str) -> None:
        async with door(self._policy, self._registries or ()) as way_out:
            job = Job(
                LANGUAGE,
                [*_INSTALL, how],
                _environment(way_out.address),
                network=way_out.address,
            )
            ended = await self._run(bench, job)
        if ended.status != 0:
            raise why(ended, bench.path)

    async def _learn(self, bench: Workbench) -> None:
        """Which registries Deno asks.

        Those of the configuration are in its text; which one Deno asks without any, it tells when
        it is sent out without a network.
        """
        if self._registries is None:
            self._write(bench, _PROBE, None)
            job = Job(LANGUAGE, [*_INSTALL, "--lockfile-only"], _environment())
            ended = await self._run(bench, job)
            self._registries = addresses_in(ended.errors.decode(errors="replace"))[:1]
            self._registries += addresses_in(self._npmrc().replace("=", " "))

    async def _run(self, bench: Workbench, job: Job) -> Ended:
        settings = self._settings
        try:
            return await bench.run(job, settings.seconds, settings.most_bytes)
        except TooMuch as much:
            raise Refused(FAILED, f"the packages could not be installed: {much}") from None


def _environment(proxy: str | None = None) -> dict[str, str]:
    given = {"NO_COLOR": "1", "DENO_NO_UPDATE_CHECK": "1", "DENO_TLS_CA_STORE": "mozilla,system"}
    if proxy is not None:
        given |= {"HTTP_PROXY": f"http://{proxy}", "HTTPS_PROXY": f"http://{proxy}"}
    return given


def _package_json(code: Code) -> str | None:
    """That of the folder of the entry, else of the nearest folder above it."""
    folder = code.entry.split("/")[:-1]
    for level in range(len(folder), -1, -1):
        if (text := code.files.get("/".join([*folder[:level], "package.json"]))) is not None:
            return text
    return None


def _parsed(output: bytes) -> Any:
    try:
        return json.loads(output)
    except ValueError:
        return None


def why(ended: Ended, top: Path) -> Refused:
    """What Deno said, in the component's words; without the directory `top` in which it worked."""
    text = ended.errors.decode(errors="replace").partition("\nStack backtrace")[0]
    text = text.replace(f"{top}/", "").replace("\0", "\ufffd").removeprefix("error: ").strip()
    if match := _MISSING.search(text):
        return Refused(NOT_FOUND, f'cannot import "{match[1]}": there is no such package')
    if _VERSION.search(text):
        return Refused(NO_SUCH_VERSION, f"no such version: {text.splitlines()[0][:300]}")
    if match := _LOADING.search(text):
        host = (addresses_in(match[1]) or ["the registry"])[0].split("/")[2]
        return Refused(
            UNREACHABLE,
            f'the package "{match[2]}" could not be fetched: {host} did not answer as a registry',
        )
    return Refused(FAILED, f"the packages could not be installed: {text[:1000] or 'no reason'}")
