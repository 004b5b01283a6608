"""What is removed from a host's packages: what nobody knows and no process of the host uses."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.packages.conftest import Host, Rows
from tests.packages.registry import Registry
from tests.packages.test_npm import component
from workers.runtime.packages.settings import InstallSettings
from workers.runtime.packages.store import Store

PRUNE = """
import sys
from pathlib import Path
from workers.runtime.packages.store import Store
print(*Store(Path(sys.argv[1])).prune(sys.argv[2:], 0.0))
"""
HOLD = """
import sys
from pathlib import Path
from workers.runtime.packages.store import Store
held = Store(Path(sys.argv[1])).hold(sys.argv[2])
print(held is not None, flush=True)
sys.stdin.read()
"""


def pruned_by_another_process(packages: Path, *keep: str) -> list[str]:
    command = [sys.executable, "-c", PRUNE, str(packages), *keep]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    return told.stdout.split()


@contextmanager
def held_by_another_process(packages: Path, name: str) -> Iterator[None]:
    command = [sys.executable, "-c", HOLD, str(packages), name]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as holding:
        assert holding.stdout is not None
        assert holding.stdout.readline() == "True\n"
        yield
        holding.communicate()


def test_what_another_process_holds_stays(tmp_path: Path) -> None:
    for name in ("npm-known", "npm-used", "npm-old", ".new-half"):
        (tmp_path / name / "node_modules").mkdir(parents=True)
        (tmp_path / f"{name}.lock").touch()
    with held_by_another_process(tmp_path, "npm-used"):
        assert Store(tmp_path).prune(["npm-known"], 0.0) == ["npm-old"]
        left = {path.name for path in tmp_path.iterdir() if path.is_dir()}
        assert left == {"npm-known", "npm-used"}
    assert pruned_by_another_process(tmp_path, "npm-known") == ["npm-used"]
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"npm-known", "npm-known.lock", ".pruning"}


def test_what_is_young_stays(tmp_path: Path) -> None:
    (tmp_path / "npm-new").mkdir()
    assert Store(tmp_path).prune((), 3600.0) == []


def test_one_process_of_a_host_prunes_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "npm-old").mkdir()
    with (tmp_path / ".pruning").open("w") as pruning:
        fcntl.flock(pruning, fcntl.LOCK_EX)
        assert pruned_by_another_process(tmp_path) == []
    assert pruned_by_another_process(tmp_path) == ["npm-old"]


def test_a_set_that_went_while_it_was_opened_is_not_held(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.hold("npm-old") is None
    (tmp_path / "npm-old").mkdir()
    going = os.open(tmp_path / "npm-old", os.O_RDONLY)
    fcntl.flock(going, fcntl.LOCK_EX)
    assert store.hold("npm-old") is None
    os.close(going)
    held = store.hold("npm-old")
    assert held is not None
    os.close(held)


async def test_the_packages_of_a_live_child_stay(tmp_path: Path, registry: Registry) -> None:
    """As a dry run leaves it: a warm child of packages that no component names."""
    registry.npm("used", "1.0.0", {"index.js": "module.exports = 1;"})
    host = Host(tmp_path, InstallSettings(npm_registry=registry.address), Rows())
    await host.runtime.start()
    try:
        code = await host.installed(component("const used = require('used')", "used"))
        assert await host.emitted(code) == 1
        assert await asyncio.to_thread(pruned_by_another_process, host.packages) == []
        assert await host.emitted(code) == 1
    finally:
        await host.runtime.close()
    assert await asyncio.to_thread(pruned_by_another_process, host.packages) == [code.packages]
