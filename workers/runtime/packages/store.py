"""Installed sets on this host: `<packages>/<name>`, whole or not there.

All workers share the directory; a lock file for each set lets one of them install it while the
others wait. Nothing is changed in a set once it has its name, and none is removed while a worker
holds it.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from workers.runtime.scratch import remove

_LOCK: Final = ".lock"
_NEW: Final = ".new-"
_PRUNING: Final = ".pruning"
# A lock of files can only be waited for by a thread; one that gave up could not be called back.
_POLL_S: Final = 0.05


def name_of(ecosystem: str, language: str, runtime: str, manifest: str, lock: str) -> str:
    """`<ecosystem>-<40 hex digits>` over everything that decides what is installed."""
    digest = hashlib.sha256()
    for part in (language, runtime, manifest, lock):
        digest.update(len(part.encode()).to_bytes(8, "big") + part.encode())
    return f"{ecosystem}-{digest.hexdigest()[:40]}"


def _taken(fd: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Store:
    def __init__(self, path: Path) -> None:
        self.path = path

    def has(self, name: str) -> bool:
        return (self.path / name).is_dir()

    @asynccontextmanager
    async def locked(self, name: str) -> AsyncIterator[None]:
        """Waits for whoever installs the set of that name, also in another process."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o755)
        fd = os.open(self.path / f"{name}{_LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not _taken(fd):  # noqa: ASYNC110 -- held by another process
                await asyncio.sleep(_POLL_S)
            yield
        finally:
            os.close(fd)

    def put(self, name: str, tree: Path) -> None:
        """Moves a checked tree to its name; one that is there already wins."""
        new = self.path / f"{_NEW}{uuid.uuid4().hex}"
        shutil.move(tree, new)
        try:
            new.rename(self.path / name)
        except OSError:
            remove(new)
            if not self.has(name):
                raise

    def hold(self, name: str) -> int | None:
        """A descriptor that keeps the set from being pruned, by any process, until it is closed.
        None: there is no such set here, or it is going. Raises OSError."""
        path = self.path / name
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        if _taken(fd, fcntl.LOCK_SH) and _is_at(path, fd):
            return fd
        os.close(fd)
        return None

    def prune(self, keep: Collection[str], young_s: float) -> list[str]:
        """Removes the sets whose names are not in `keep` and that nobody holds, and what was left
        half way. Younger ones than `young_s` are left alone: their row may be on its way. Nothing
        while another process is at it."""
        if not self.path.is_dir():
            return []
        pruning = os.open(self.path / _PRUNING, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            return self._prune(keep, young_s) if _taken(pruning) else []
        finally:
            os.close(pruning)

    def _prune(self, keep: Collection[str], young_s: float) -> list[str]:
        gone = []
        for path in sorted(self.path.iterdir()):
            if path.name == _PRUNING or path.name.removesuffix(_LOCK) in keep:
                continue
            if time.time() - path.lstat().st_ctime >= young_s and self._forget(path):
                gone.append(path.name)
        return [name for name in gone if not name.startswith(".") and not name.endswith(_LOCK)]

    def _forget(self, path: Path) -> bool:
        """False: somebody holds it."""
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if not _taken(fd):
                return False
            if path.name.endswith(_LOCK):
                path.unlink()
                return True
            hidden = self.path / f"{_NEW}{uuid.uuid4().hex}"
            path.rename(hidden)
        finally:
            os.close(fd)
        remove(hidden)
        return True


def _is_at(path: Path, fd: int) -> bool:
    """Whether the descriptor's directory still has that name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False
