"""The published components: the files of one npm package, fetched once and checked.

They are not part of this repository. The test data directory keeps them; without npm and without
that directory the tests that need them are skipped.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from functools import cache
from pathlib import Path

import pytest

from apps.runs.contract import Code

PACKAGE = "pipedream@0.2.2"
SHA512 = "/gqXhL/GRW2TDkBk+K/rga+izMVUBoQSQ8hYxjs42BTzdJbgCxvphMietnmSfSRrHypBUsxuTB2qbtPOBIUPxA=="
KEPT = Path(__file__).resolve().parents[2] / "var" / "published"


@cache
def root() -> Path:
    """The directory of the unpacked package. Skips the test where it cannot be had."""
    place = KEPT / PACKAGE
    if not place.is_dir():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("the published components are fetched with npm")
        KEPT.mkdir(parents=True, exist_ok=True)
        fetching = KEPT / f"fetching-{os.getpid()}"
        _unpack(_fetch(npm, fetching), fetching / "unpacked")
        try:
            (fetching / "unpacked" / "package").rename(place)
        except OSError:
            assert place.is_dir()  # another test process was first
        shutil.rmtree(fetching)
    return place


def _fetch(npm: str, into: Path) -> Path:
    into.mkdir()
    command = [npm, "pack", PACKAGE, "--json", "--pack-destination", str(into)]
    told = subprocess.run(command, cwd=into, capture_output=True, text=True, timeout=100)
    if told.returncode != 0:
        pytest.skip(f"npm could not fetch the published components: {told.stderr[-300:]}")
    archive = into / str(json.loads(told.stdout)[0]["filename"])
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    assert digest == SHA512, "this is not the package that the tests were written for"
    return archive


def _unpack(archive: Path, into: Path) -> None:
    with tarfile.open(archive) as packed:
        packed.extractall(into, filter="data")


def code(path: str) -> Code:
    """The component at `path` below `components/`, with the files of its app and the package's own
    `package.json`, from which the versions of its imports come."""
    entry = f"components/{path}"
    folder = root() / "components" / path.split("/", 1)[0]
    found = [file for file in folder.rglob("*.js") if file.is_file()]
    files = {str(file.relative_to(root())): file.read_text() for file in found}
    files["package.json"] = (root() / "package.json").read_text()
    return Code("owner", path, "javascript", files.pop(entry), entry, files)
