"""Python packages, by pip: wheels only, resolved to hashes, installed from them."""

from __future__ import annotations

import ast
import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from packaging.utils import canonicalize_name

from apps.runs.contract import Code
from workers.runtime.egress import Policy
from workers.runtime.packages.door import door
from workers.runtime.packages.imports import requires_of
from workers.runtime.packages.manifest import pip_manifest
from workers.runtime.packages.refusal import (
    FAILED,
    NO_SUCH_VERSION,
    NOT_FOUND,
    UNREACHABLE,
    Refused,
)
from workers.runtime.packages.registries import addresses_in, local_paths
from workers.runtime.packages.settings import InstallSettings
from workers.runtime.tool import Ended, Job, TooMuch, Workbench

LANGUAGE: Final = "python"
# Of pip's configuration, what says where packages are and how they are reached.
_KEYS: Final = (
    "index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "cert", "constraint",
)  # fmt: skip
_LINE: Final = re.compile(r"(?:global|install|:env:)\.([a-z-]+)=(.+)")
_INSTALL: Final = (
    "install", "--quiet", "--only-binary", ":all:", "--no-compile", "--no-cache-dir",
    "--disable-pip-version-check", "--no-input", "--retries", "1", "--timeout", "10",
    "--root-user-action", "ignore", "--no-warn-script-location",
)  # fmt: skip
_NOTHING: Final = re.compile(r"No matching distribution found for ([^\s(]+)")
_VERSIONS: Final = re.compile(r"\(from versions: (.*?)\)")
_DEFAULT: Final = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
_ASK_S: Final = 30


class Pip:
    """What differs between ecosystems; `installer.Installer` has the way."""

    language: Final = LANGUAGE
    ecosystem: Final = "pip"
    native: Final = True

    def __init__(self, settings: InstallSettings, policy: Policy) -> None:
        self.runtime = f"python {sys.version_info.major}.{sys.version_info.minor}"
        self._settings = settings
        self._policy = policy
        self._configuration: dict[str, str] | None = None
        self._registries: list[str] = []

    def may_import(self, code: Code) -> bool:
        return any("requires" in text for text in (code.text, *code.files.values()))

    async def look(self, code: Code, bench: Workbench) -> list[str]:
        """The requirements of the classes of the code and of the files beside it; nothing is
        executed. Raises Refused."""
        texts = [code.text, *(code.files[path] for path in code.files if path.endswith(".py"))]
        return [requirement for text in texts for requirement in requires_of(text)]

    def manifest(self, code: Code, packages: Iterable[str]) -> str:
        return pip_manifest(packages)

    async def resolve(self, manifest: str, bench: Workbench) -> str:
        """Each package with its version and its wheel's hash. Raises Refused, BrokerError."""
        bench.clear()
        bench.write("requirements.txt", manifest)
        await self._install(bench, "--dry-run", "--report", "report.json", "--target", "set")
        try:
            report = json.loads((bench.code / "report.json").read_text())
            return "".join(sorted(f"{_locked(item)}\n" for item in report["install"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise Refused(FAILED, "requires: pip did not say what it would install") from None

    async def install(self, manifest: str, lock: str, bench: Workbench) -> Path:
        """The installed tree, not checked yet: a directory for `sys.path`."""
        bench.clear()
        bench.write("requirements.txt", lock)
        await self._install(bench, "--no-deps", "--require-hashes", "--target", "set")
        tree = bench.code / "set"
        await asyncio.to_thread(tree.mkdir, exist_ok=True)
        return tree

    def finish(self, manifest: str, tree: Path) -> None:
        """Nothing: Python finds packages by their own names."""

    # --- the tool -------------------------------------------------------------------------------

    async def _install(self, bench: Workbench, *how: str) -> None:
        configuration = await self._configured()
        bench.write("pip.conf", _written(configuration))
        async with door(self._policy, self._registries) as way_out:
            job = Job(
                LANGUAGE,
                [*_INSTALL, "-r", "requirements.txt", *how],
                {
                    "PIP_CONFIG_FILE": str(bench.code / "pip.conf"),
                    "HTTP_PROXY": f"http://{way_out.address}",
                    "HTTPS_PROXY": f"http://{way_out.address}",
                },
                network=way_out.address,
                reads=local_paths([*configuration.values(), *_named_by_pip()]),
            )
            try:
                settings = self._settings
                ended = await bench.run(job, settings.seconds, settings.most_bytes)
            except TooMuch as much:
                raise Refused(FAILED, f"requires: could not be installed: {much}") from None
        if ended.status != 0:
            raise _why(ended, way_out.unreached)

    async def _configured(self) -> dict[str, str]:
        """The operator's own settings over those of this machine's pip."""
        if self._configuration is None:
            known = await asyncio.to_thread(_configuration) | dict(self._settings.pip)
            index = known.get("index-url", "") or await asyncio.to_thread(_said, ["-c", _DEFAULT])
            self._registries = addresses_in(" ".join([index, *known.values()]))
            self._configuration = known
        return self._configuration


def _configuration() -> dict[str, str]:
    """What pip reads of this machine's files and of the environment; pip knows where."""
    found: dict[str, str] = {}
    for line in _said(["-m", "pip", "config", "list"]).splitlines():
        match = _LINE.match(line)
        if match is not None and match[1] in _KEYS:
            try:
                found[match[1]] = str(ast.literal_eval(match[2]))
            except (ValueError, SyntaxError):
                continue
    return found


def _named_by_pip() -> list[str]:
    """pip tells an index which system it is on, and does not go on where it may not look."""
    folder = Path("/etc")
    return [str(path) for kind in ("*release", "*_version") for path in folder.glob(kind)]


def _said(arguments: list[str]) -> str:
    """What this Python prints; "" where pip is missing, which the first installation then tells."""
    try:
        command = [sys.executable, *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return ended.stdout.strip()


def _written(configuration: Mapping[str, str]) -> str:
    lines = (f"{key} = {' '.join(value.split())}\n" for key, value in configuration.items())
    return "[global]\n" + "".join(lines)


def _locked(item: Any) -> str:
    hashes = item["download_info"]["archive_info"]["hashes"]
    pinned = f"{canonicalize_name(item['metadata']['name'])}=={item['metadata']['version']}"
    return f"{pinned} --hash=sha256:{hashes['sha256']}"


def _why(ended: Ended, unreached: list[str]) -> Refused:
    text = ended.errors.decode(errors="replace").replace("\0", "\ufffd")
    if match := _NOTHING.search(text):
        name = match[1][:200]
        if unreached:
            told = f"requires: {name}: {unreached[0]} could not be reached"
            return Refused(UNREACHABLE, told)
        versions = _VERSIONS.search(text)
        if versions is None or versions[1] == "none":
            return Refused(NOT_FOUND, f"requires: {name}: there is no wheel of such a package")
        return Refused(NO_SUCH_VERSION, f"requires: {name}: no such version has a wheel")
    if unreached:
        return Refused(UNREACHABLE, f"requires: {unreached[0]} could not be reached")
    errors = [line for line in text.splitlines() if line.startswith("ERROR: ")]
    told = "\n".join(errors).replace("ERROR: ", "")[:1000]
    return Refused(FAILED, f"requires: could not be installed: {told or 'pip gave no reason'}")
