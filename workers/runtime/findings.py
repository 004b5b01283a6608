"""What the wall enforces on this host, as a table: tried at each start, never assumed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Finding(NamedTuple):
    """One part of the wall. `told` says what was tried, or what is missing."""

    part: str
    holds: bool
    told: str


def table(findings: Iterable[Finding]) -> str:
    """Lines of a table for people, no line feed at its end."""
    rows = [(part, "yes" if holds else "NO", told) for part, holds, told in findings]
    width = max((len(part) for part, _, _ in rows), default=0)
    return "\n".join(f"{part:<{width}}  {holds:<3}  {told}" for part, holds, told in rows)
