"""What is written to standard output: tables for people, JSON for programs.

Texts of events and components come from anywhere. In a table their control characters are shown
and not sent to the terminal; JSON writes them as escapes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from tabulate import tabulate

# C0, DEL and C1, Unicode's line ends, and the marks that turn the direction of text around.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_NOT_IN_JSON = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
MOST = 60


def safe(text: str) -> str:
    """On one line, with nothing that a terminal obeys."""
    return _CONTROLS.sub(lambda found: " " if found[0] in "\n\t" else _escaped(found), text)


def safe_lines(text: str) -> str:
    """The same, with its line ends."""
    return "\n".join(map(safe, text.split("\n")))


def compact(value: Any) -> str:
    return json_text(value, indent=None)


def json_text(value: Any, indent: int | None = 2) -> str:
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    return _NOT_IN_JSON.sub(_escaped, text)


class ReaderGone(Exception):
    """Whoever read the output has seen enough, as in `| head`."""


def show(text: str = "") -> None:
    try:
        click.echo(text)
    except BrokenPipeError:
        # click itself would end with a code that says something else.
        raise ReaderGone from None


def show_json(value: Any) -> None:
    show(json_text(value))


def show_line(value: Any) -> None:
    """One value on one line, for those that follow."""
    show(compact(value))


def show_table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    shown = [[cut(cell(value)) for value in row] for row in rows]
    show(tabulate(shown, heads, tablefmt="plain", disable_numparse=True))


def show_facts(facts: Iterable[tuple[str, Any]]) -> None:
    """Names and values, one pair a line; None is left out."""
    rows = [[name, cell(value)] for name, value in facts if value is not None]
    show(tabulate(rows, tablefmt="plain", disable_numparse=True))


def cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return safe(value if isinstance(value, str) else compact(value))


def cut(text: str, most: int = MOST) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def when(seconds: float | None) -> str | None:
    """In the reader's own time zone, to the second."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def note(text: str) -> None:
    """Beside the output: a line on standard error."""
    click.echo(safe(text), err=True)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
