"""Turning encryption keys over: stored secrets are encrypted anew with the first key.

A `Store` is one place where secrets are kept; `manage.py rotate_secrets` walks all of them, a batch
of rows in a transaction, so that it may be stopped and started again at any time: what is under the
first key already is left alone. Rows are locked while they are turned, hence a change that goes on
meanwhile is neither lost nor undone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models, transaction

from apps.core import secrets

# From a value as a row holds it to the same with every token in it turned.
Walk = Callable[[Any, Callable[[str], str]], Any]


@dataclass(slots=True)
class Turn:
    """What one walk has done: tokens seen, encrypted anew, and those that no key opens."""

    seen: int = 0
    turned: int = 0
    lost: int = 0

    def token(self, old: str) -> str:
        """The same secret under the first key. A token that no key opens stays as it is."""
        self.seen += 1
        try:
            new = secrets.renew(old)
        except secrets.Undecipherable:
            self.lost += 1
            return old
        if new is None:
            return old
        self.turned += 1
        return new

    def same(self) -> Callable[[str], str]:
        """Like `token`, but one token is turned into one: for rows that must go on agreeing."""
        known: dict[str, str] = {}

        def turn(old: str) -> str:
            if old not in known:
                known[old] = self.token(old)
            return known[old]

        return turn


@dataclass(frozen=True, slots=True)
class Store:
    """`batch(after, size, turn)` turns the next rows in a transaction of its own, and gives what
    the next call is to have for `after` (the first has None); None when no rows are left."""

    name: str
    batch: Callable[[Any, int, Turn], Any]

    def walk(self, size: int, turn: Turn) -> None:
        after = None
        while (after := self.batch(after, size, turn)) is not None:
            pass


def column_store(name: str, model: type[models.Model], columns: Mapping[str, Walk]) -> Store:
    """The secrets in these columns of a table."""

    def batch(after: Any, size: int, turn: Turn) -> Any:
        rows = model._default_manager.select_for_update(no_key=True).order_by("pk")
        if after is not None:
            rows = rows.filter(pk__gt=after)
        last = None
        with transaction.atomic():
            for row in rows.only("pk", *columns)[:size]:
                last = row.pk
                new = {c: walk(getattr(row, c), turn.token) for c, walk in columns.items()}
                changed = {c: value for c, value in new.items() if value != getattr(row, c)}
                if changed:
                    model._default_manager.filter(pk=row.pk).update(**changed)
        return last

    return Store(name, batch)


def text(value: str | None, turn: Callable[[str], str]) -> str | None:
    """One token, or nothing."""
    return turn(value) if value else value


def values(value: Mapping[str, str], turn: Callable[[str], str]) -> dict[str, str]:
    """A map whose values are tokens."""
    return {name: turn(token) for name, token in value.items()}
