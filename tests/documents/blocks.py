"""The fenced blocks of the documents, and which documents there are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(
    r'^(?P<indent> *)```(?P<language>\w*)(?: title="(?P<title>[^"]*)")?\n'
    r"(?P<text>.*?)^(?P=indent)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_NAME = re.compile(r"(?:#|//|<!--) (?P<name>[\w.-]+\.\w+)(?: -->)?\n")
# Templates are documents of the project that `new-component` writes.
PLACES = ("*.md", "docs/**/*.md", "client/*.md", "apps/**/*.md", "templates/**/*.md")


@dataclass(frozen=True, slots=True)
class Block:
    """document  path in the project; line where its text begins
    title     as it is shown above the block: where it is pasted
    file      the name that its first line gives it, to be saved under
    """

    document: str
    line: int
    language: str
    title: str
    text: str

    @property
    def file(self) -> str:
        named = _NAME.match(self.text)
        return named["name"] if named else ""

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"


def documents() -> list[str]:
    found = {path for place in PLACES for path in ROOT.glob(place)}
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def blocks(document: str) -> list[Block]:
    text = (ROOT / document).read_text("utf-8")
    found = list(_FENCE.finditer(text))
    fences = len(re.findall(r"^ *```", text, re.MULTILINE))
    assert fences == 2 * len(found), f"{document}: a fence that is not understood"
    return [
        Block(
            document,
            text.count("\n", 0, one.start("text")) + 1,
            one["language"],
            one["title"] or "",
            one["text"],
        )
        for one in found
    ]
