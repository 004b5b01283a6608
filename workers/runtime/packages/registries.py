"""What a package manager's configuration names: addresses, and files of this machine."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

_ADDRESS = re.compile(r"https?://[^\s\"'<>)]+")


def addresses_in(text: str) -> list[str]:
    """The http addresses that a text names."""
    return _ADDRESS.findall(text)


def local_paths(values: Iterable[str]) -> list[str]:
    """The files and directories among the values of a configuration: paths and file addresses."""
    found: dict[str, None] = {}
    for word in (word for value in values for word in value.split()):
        path = unquote(word.removeprefix("file://")) if word.startswith("file://") else word
        if path.startswith("/") and Path(path).exists():
            found[str(Path(path).resolve())] = None
    return list(found)
