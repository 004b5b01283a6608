"""How much disk a child takes: what lies in its directory, and files it removed but holds open."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_BLOCK: Final = 512
_DEEPEST: Final = 1000
_FILLABLE: Final = stat.S_IWUSR | stat.S_IXUSR
"""What its owner needs to put something into a folder; a component cannot change modes."""
_OPEN: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Hidden(Exception):
    """A directory that cannot be looked into; no component needs one that it cannot read itself."""


def exceeds(top: Path, most_bytes: int, most_files: int) -> bool:
    """Whether what lies below takes more than these bytes on disk, or is more files and folders.

    Looks no further than it must. Links are not followed. One that hides what it holds exceeds."""
    total = files = 0
    try:
        for found in _below(top):
            files += 1
            total += found.st_blocks * _BLOCK
            if total > most_bytes or files > most_files:
                return True
    except Hidden:
        return True
    return False


def _below(top: Path) -> Iterator[os.stat_result]:
    """All entries, by the descriptors of their folders: a component can make paths that are too
    long to be named. What vanishes meanwhile counts nothing. Raises Hidden."""
    held: list[int] = []
    walks: list[Iterator[os.DirEntry[str]]] = []

    def enter(name: Path | str) -> None:
        held.append(os.open(name, _OPEN, dir_fd=held[-1] if held else None))
        walks.append(os.scandir(held[-1]))

    try:
        with suppress(OSError):
            enter(top)
        while walks:
            entry = next(walks[-1], None)
            if entry is None:
                walks.pop()
                os.close(held.pop())
                continue
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            yield found
            if stat.S_ISDIR(found.st_mode):
                if len(walks) == _DEEPEST:
                    raise Hidden
                try:
                    enter(entry.name)
                except PermissionError:
                    if found.st_mode & _FILLABLE == _FILLABLE:
                        raise Hidden from None
                except OSError:
                    continue
    finally:
        for directory in held:
            os.close(directory)


def held_bytes(pid: int) -> int:
    """Of files without a name that the process holds open. For the zygote, whose user children
    are: a container's root may not look at another user's. 0: it is gone."""
    total = 0
    with suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
            with suppress(OSError):
                found = os.stat(f"/proc/{pid}/fd/{name}")  # noqa: PTH116
                if stat.S_ISREG(found.st_mode) and not found.st_nlink:
                    total += found.st_blocks * _BLOCK
    return total
