"""Errors in a component's code, shown where they are in its file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headwater_cli.failures import Failure, Refused
from headwater_cli.imports import tree
from headwater_cli.sources import is_file


class Misplaced(Failure):
    """Code that does not load. `str()` begins with `file:line:column:`; `excerpt` is that line with
    a mark under the column, or empty."""

    def __init__(self, message: str, excerpt: str) -> None:
        super().__init__(message)
        self.excerpt = excerpt


@contextmanager
def placed(what: str) -> Iterator[None]:
    """Refusals with a line become Misplaced, where `what` is a file."""
    try:
        yield
    except Refused as refused:
        line, column = refused.details.get("line"), refused.details.get("column")
        # With other files beside it, the line may be one of theirs.
        if not is_file(what) or not isinstance(line, int) or len(tree(Path(what))) > 1:
            raise
        # The prefix and the line that the API put around the message stand in front of it now.
        said = str(refused).removeprefix("component_code: ").removesuffix(f" (line {line})")
        # Deno's goes on with the code itself.
        said = said.split("\n", 1)[0].strip()
        name = refused.details.get("name")
        said = f"{name}: {said}" if name and name not in said else said
        place = f"{what}:{line}:{column}" if isinstance(column, int) else f"{what}:{line}"
        raise Misplaced(f"{place}: {said}", _excerpt(Path(what), line, column)) from None


def _excerpt(path: Path, line: int, column: object) -> str:
    """The line, and a mark below its `column` (from 1); an odd one marks nothing."""
    try:
        text = path.read_text("utf-8-sig").splitlines()[line - 1]
    except (OSError, ValueError, IndexError):
        return ""
    if not isinstance(column, int) or not 1 <= column <= len(text) + 1:
        return text
    before = "".join("\t" if mark == "\t" else " " for mark in text[: column - 1])
    return f"{text}\n{before}^"
