"""Which files a component needs: what its file imports by relative paths, and what those do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

# `from "./x"`, `import "./x"`, `import("./x")`, `require("./x")`. One too many (in a comment) costs
# a look at a file.
_RELATIVE = re.compile(r"""(?:\bfrom|\bimport|\brequire)\s*\(?\s*["'](\.\.?/[^"'\n]+)["']""")
# What a path may leave out.
_ENDINGS = ("", ".js", ".ts", ".mjs", ".cjs", ".json", "/index.js", "/index.ts", "/index.json")
_SCRIPTS = (".js", ".mjs", ".cjs", ".ts", ".mts", ".cts")
MOST = 1000

# Of a file: when it was changed, its size, which one it is. None: it is not there.
Seen = dict[Path, tuple[int, int, int] | None]


def tree(entry: Path) -> list[Path]:
    """The file itself, then what it imports, by absolute paths, first found first.

    Of an import that is not there, every place where it would be looked for."""
    found = {entry.resolve(): None}
    waiting = list(found)
    while waiting and len(found) < MOST:
        importer = waiting.pop()
        for places in _imports(importer):
            there = [place for place in places if place.is_file()]
            new = [place for place in there[:1] or places if place not in found]
            found |= dict.fromkeys(new)
            waiting += new if there else []
    return list(found)


def look(paths: list[Path]) -> Seen:
    return {path: _stat(path) for path in paths}


def _imports(importer: Path) -> Iterator[list[Path]]:
    if importer.suffix not in _SCRIPTS:
        return
    try:
        text = importer.read_text("utf-8-sig")
    except (OSError, ValueError):
        return
    for specifier in _RELATIVE.findall(text):
        base = (importer.parent / specifier).resolve()
        yield [Path(f"{base}{ending}") for ending in _ENDINGS]


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        at = path.stat()
    except OSError:
        return None
    return at.st_mtime_ns, at.st_size, at.st_ino
