"""The built-in components: files under `builtin/`, which are data here and are never imported.

`bootstrap` queues the describing of each file whose code is new; a runner loads it in a child
process like any other component. A newer built-in becomes a new row; sources that run keep theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from apps.components import services
from apps.components.models import Component

FOLDER = Path(__file__).parent / "builtin"
_LANGUAGES: dict[str, Literal["python", "javascript"]] = {
    ".py": "python",
    ".js": "javascript",
    ".mjs": "javascript",
    ".cjs": "javascript",
    ".ts": "javascript",
}


@dataclass(frozen=True, slots=True)
class Builtin:
    """One file of the registry."""

    file: str
    language: Literal["python", "javascript"]
    code: str

    @property
    def code_hash(self) -> str:
        return services.code_hash(self.code)


def builtins(folder: Path = FOLDER) -> Iterator[Builtin]:
    """Every component file, by name; names that begin with `_` are no components."""
    for path in sorted(folder.iterdir()):
        language = _LANGUAGES.get(path.suffix)
        if language is not None and not path.name.startswith("_"):
            yield Builtin(path.name, language, path.read_text(encoding="utf-8"))


def is_current(builtin: Builtin) -> bool:
    """Whether the newest row of the component is this very code."""
    same = (
        Component.objects.filter(owner=None, origin=services.BUILTIN, code_hash=builtin.code_hash)
        .order_by("-created_at")
        .first()
    )
    if same is None:
        return False
    newest = (
        Component.objects.filter(owner=None, origin=services.BUILTIN, key=same.key)
        .order_by("-updated_at", "-created_at", "-id")
        .first()
    )
    return newest is not None and newest.code_hash == builtin.code_hash
