"""The text of a cron timer: five fields, read into the numbers that match. Pure.

Minute, hour, day of month, month, day of week (0 and 7 are Sunday); names of months and days; `*`,
numbers, ranges, steps, lists. `5/20` is from 5 on. Nothing else: no seconds, `R`, `15W`, `L`, `?`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(?:(\*)|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:/([0-9]{1,2}))?\Z")

Numbers = tuple[int, ...]


class _Field(NamedTuple):
    """`top` is the last number that `*` and an open step reach."""

    name: str
    least: int
    most: int
    top: int
    words: dict[str, int]


_GRAMMAR = (
    _Field("minute", 0, 59, 59, {}),
    _Field("hour", 0, 23, 23, {}),
    _Field("day of month", 1, 31, 31, {}),
    _Field("month", 1, 12, 12, {word: number for number, word in enumerate(_MONTHS, 1)}),
    _Field("day of week", 0, 7, 6, {word: number for number, word in enumerate(_DAYS)}),
)
COUNT = len(_GRAMMAR)


def read(text: str) -> tuple[Numbers | None, ...]:
    """Per field the sorted numbers that match; None: all do. Raises ValueError naming the field.

    `text`: lower case, five fields between single spaces.
    """
    fields = text.split(" ")
    if len(fields) != COUNT:
        raise ValueError("cron must have 5 fields: minute hour day month weekday")
    return tuple(_numbers(field, kind) for field, kind in zip(fields, _GRAMMAR, strict=True))


def write(numbers: tuple[Numbers | None, ...]) -> str:
    """The plainest text of the same schedule: `*`, or the numbers one by one."""
    return " ".join("*" if f is None else ",".join(map(str, f)) for f in numbers)


def _numbers(field: str, kind: _Field) -> Numbers | None:
    found: set[int] = set()
    for part in field.split(","):
        numbers = _part(part, kind)
        if numbers is None:
            raise ValueError(f"cron: {field[:40]!r} is not a valid {kind.name}")
        found.update(numbers)
    if kind.top < kind.most:
        found = {number % kind.most for number in found}
    return None if len(found) == kind.top - kind.least + 1 else tuple(sorted(found))


def _part(part: str, kind: _Field) -> range | None:
    match = _PART.match(part)
    if match is None:
        return None
    star, first, last, step = match.groups()
    if step is not None and not 1 <= int(step) <= kind.most - kind.least:
        return None
    if star:
        return range(kind.least, kind.top + 1, int(step or 1))
    low = _number(first, kind)
    high = low if last is None else _number(last, kind)
    if low is None or high is None or not kind.least <= low <= high <= kind.most:
        return None
    if step is not None and last is None:
        high = max(low, kind.top)
    return range(low, high + 1, int(step or 1))


def _number(text: str, kind: _Field) -> int | None:
    return int(text) if text.isdigit() else kind.words.get(text)
