"""Private directories of children: made by one worker, emptied whatever was put into them."""

from __future__ import annotations

import fcntl
import os
import stat
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Final

_PREFIX: Final = "children-"
_PARTS: Final = frozenset(("tmp", "code"))
_OPEN: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def is_empty(path: Path) -> bool:
    with os.scandir(path) as entries:
        return next(entries, None) is None


def empty(path: Path) -> None:
    """Removes everything below `path`, and follows no link that it finds there.

    Deep trees need no deep recursion: directories found below are moved up to `path` first.
    """
    top = os.open(path, _OPEN)
    try:
        serial = 0
        while names := os.listdir(top):  # noqa: PTH208
            for name in names:
                serial = _remove(top, name, serial)
    finally:
        os.close(top)


def _remove(top: int, name: str, serial: int) -> int:
    """Removes one entry of `top`; its own directories become entries of `top`."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=top, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=top)
        return serial
    with suppress(PermissionError):
        os.chmod(name, 0o700, dir_fd=top)
    directory = os.open(name, _OPEN, dir_fd=top)
    try:
        with os.scandir(directory) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for inner, is_directory in found:
            if is_directory:
                serial += 1
                os.chmod(inner, 0o700, dir_fd=directory)
                os.rename(
                    inner, f".{serial}-{uuid.uuid4().hex}", src_dir_fd=directory, dst_dir_fd=top
                )
            else:
                os.unlink(inner, dir_fd=directory)
    finally:
        os.close(directory)
    os.rmdir(name, dir_fd=top)
    return serial


def is_fresh(run_dir: Path) -> bool:
    """Whether a child's directory is as a new child shall find it."""
    with os.scandir(run_dir) as entries:
        if {entry.name for entry in entries} != _PARTS:
            return False
    return all(is_empty(run_dir / part) for part in _PARTS)


def renew(run_dir: Path) -> None:
    """Removes what a dead child left in its directory."""
    for entry in tuple(run_dir.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            empty(entry)
            if entry.name not in _PARTS:
                entry.rmdir()
        else:
            entry.unlink()


def remove(path: Path) -> None:
    """Removes `path` and everything below; one that is gone already is no error."""
    with suppress(FileNotFoundError):
        empty(path)
        path.rmdir()


class WorkerDirectory:
    """`<run_dir>/children-<random>`: this worker's own, locked for as long as it lives."""

    def __init__(self, run_dir: Path) -> None:
        """Makes it, and removes those that dead workers left."""
        run_dir.mkdir(parents=True, exist_ok=True)
        for other in run_dir.glob(f"{_PREFIX}*"):
            if (lock := _lock(other)) is not None:
                remove(other)
                os.close(lock)
        self.path = (run_dir / f"{_PREFIX}{uuid.uuid4().hex[:12]}").absolute()
        self.path.mkdir(mode=0o700)
        lock = _lock(self.path)
        assert lock is not None
        self._lock = lock
        self._free: list[str] = []
        self._count = 0

    def take(self) -> str:
        """The name of a child's directory: one that was given back, else a new one."""
        if self._free:
            return self._free.pop()
        self._count += 1
        return str(self._count)

    def give_back(self, name: str) -> None:
        """The child is gone and its directory is fresh again."""
        self._free.append(name)

    def close(self) -> None:
        remove(self.path)
        os.close(self._lock)


def _lock(path: Path) -> int | None:
    """A locked descriptor of the directory, or None while another worker holds it."""
    try:
        fd = os.open(path, _OPEN)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd
