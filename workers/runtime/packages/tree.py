"""An installed tree, checked like hostile input before any component sees it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from workers.runtime.packages.refusal import TOO_LARGE, UNSAFE, Refused

# Loaded into the process they would void what holds a component of JavaScript.
_NATIVE: Final = (".node",)
_DEPTH: Final = 64


def check(top: Path, *, most_bytes: int, most_files: int, native: bool) -> None:
    """Refuses links that lead out of `top`, what is neither file nor folder nor link, native
    add-ons of Node (unless `native`), and trees over their bounds. Then makes everything readable
    by all and writable by its owner alone, who becomes the caller.

    The tools that made the tree have ended: nobody changes it meanwhile. Raises Refused.
    """
    top = top.resolve()
    size, count = 0, 0
    for root, folders, files in os.walk(top):
        if len(Path(root).relative_to(top).parts) > _DEPTH:
            raise Refused(UNSAFE, f"{_shown(top, Path(root))} lies too deep")
        for name in (*folders, *files):
            path = Path(root, name)
            facts = path.lstat()
            count += 1
            size += facts.st_size
            if count > most_files or size > most_bytes:
                raise Refused(
                    TOO_LARGE,
                    f"the packages take more than {most_bytes} bytes or {most_files} files",
                )
            _check_one(top, path, facts, native)
    _settle(top)


def _check_one(top: Path, path: Path, facts: os.stat_result, native: bool) -> None:
    mode = facts.st_mode
    if stat.S_ISLNK(mode):
        target = path.readlink()
        if target.is_absolute() or not path.resolve().is_relative_to(top):
            raise Refused(UNSAFE, f"{_shown(top, path)} is a link that leads out of its package")
    elif not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise Refused(UNSAFE, f"{_shown(top, path)} is neither a file nor a folder")
    if not native and path.suffix.lower() in _NATIVE and not stat.S_ISDIR(mode):
        raise Refused(UNSAFE, f"{_shown(top, path)} is a native add-on, which is not loaded here")


def _shown(top: Path, path: Path) -> str:
    """`<package>/<file>` as people know it, without the folders of the installer."""
    parts = path.relative_to(top).parts
    last = max((n for n, part in enumerate(parts) if part == "node_modules"), default=-1)
    return "/".join(parts[last + 1 :])[:300].encode(errors="replace").decode()


def _settle(top: Path) -> None:
    """Links of several names for one file are the installer's own, and stay inside."""
    mine = os.geteuid(), os.getegid()
    for root, folders, files in os.walk(top):
        for name in (*folders, *files):
            path = Path(root, name)
            facts = path.lstat()
            if not stat.S_ISLNK(facts.st_mode):
                path.chmod(0o755 if stat.S_ISDIR(facts.st_mode) else 0o644)
            if mine[0] == 0 and facts.st_uid != 0:
                os.lchown(path, *mine)
    if mine[0] == 0:
        os.chown(top, *mine)
    top.chmod(0o755)
