"""How the lists of the admin stay fast, however many rows there are (docs/decisions/0106-lists.md).

Each statement of a list walks an index in the list's own order and stops early. Nothing is counted
beyond ten thousand. A filter that has an index of its own is answered by it; one that has none is
*loose*: it looks through the newest twenty thousand rows and says so. A search asks only those
columns in which what is looked for can stand.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Literal

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db import models
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import cached_property

from apps.core.clock import app_now

COUNTED = 10_000
LOOKED_THROUGH = 20_000
# Shorter parts of names are in no index of trigrams.
NAME_CHARACTERS = 3
_ID = re.compile(r"([a-z]{1,4})_[0-9A-Za-z]{1,60}")
# What ids in columns without a foreign key begin with; others are known by their model.
_KINDS: dict[str, tuple[str, ...]] = {
    "source_id": ("dc",), "emitter_id": ("dc",), "listener_id": ("dc", "wh"), "user_id": ("u",),
    "owner_id": ("u",), "component_id": ("sc",), "webhook_id": ("wh",), "prefix": ("hw",),
    "actor": ("u",), "subject_id": ("dc", "wh"),
}  # fmt: skip
_LOOKUPS = ("exact", "iexact", "startswith", "istartswith", "contains", "icontains")


# Django's own paginator is no generic type at run time.
class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts to ten thousand and no further; what lies beyond is found by searching."""

    template_name = "core/pagination.html"

    @property
    def counted(self) -> str:
        """As the page says it."""
        return f"{self.count:,} or more" if self.count >= COUNTED else f"{self.count:,}"

    @cached_property
    def count(self) -> int:
        objects: Any = self.object_list
        # In the list's order: its index leads to the first ten thousand of them.
        return objects[:COUNTED].count() if isinstance(objects, models.QuerySet) else len(objects)


class Choice(SimpleListFilter):
    """Rows with one value in one column. Made by `choice`."""

    column = ""
    values: Mapping[str, Any] = {}
    # When there is an index for it: `always`; `alone`, while nothing is searched; `searched`, only
    # then; `never`.
    indexed: Mapping[str, Literal["always", "alone", "searched", "never"]] = {}

    def lookups(self, _request: HttpRequest, _admin: Any) -> list[tuple[str, str]]:
        return [(name, f"{name} *" if self._loose_alone(name) else name) for name in self.values]

    def _loose_alone(self, name: str) -> bool:
        return self.indexed[name] in ("never", "searched")

    def is_loose(self, searched: bool) -> bool:
        return self.indexed[str(self.value())] in (
            "never", "alone" if searched else "searched",
        )  # fmt: skip

    @property
    def condition(self) -> Q:
        return Q(**{self.column: self.values[str(self.value())]})

    def value(self) -> str | None:
        """None for what is not offered."""
        given = super().value()
        return given if given in self.values else None

    def queryset(self, _request: HttpRequest, rows: Any) -> Any:
        """All: `KeyedChangeList` narrows, when it knows what is searched."""
        return rows


def choice(column: str, indexed: Mapping[str, Any], **values: Any) -> type[Choice]:
    """A filter by the names of `indexed`; `values` are those that differ from their names."""
    title = column.removesuffix("_id").replace("_", " ")
    if any(when in ("never", "searched") for when in indexed.values()):
        title += f" (* of the newest {LOOKED_THROUGH:,})"
    attributes = {
        "column": column,
        "parameter_name": column,
        "title": title,
        "values": {name: values.get(name, name) for name in indexed},
        "indexed": indexed,
    }
    return type(f"{column.title()}Choice", (Choice,), attributes)


SPANS = {
    "15m": ("15 minutes", timedelta(minutes=15)),
    "1h": ("hour", timedelta(hours=1)),
    "1d": ("day", timedelta(days=1)),
    "7d": ("7 days", timedelta(days=7)),
}


class Since(SimpleListFilter):
    """The rows of the last minutes, hours or days. Made by `since`."""

    column = ""
    parameter_name = "since"

    def lookups(self, _request: HttpRequest, _admin: Any) -> list[tuple[str, str]]:
        return [(key, f"last {label}") for key, (label, _span) in SPANS.items()]

    def queryset(self, _request: HttpRequest, rows: Any) -> Any:
        span = SPANS.get(self.value() or "")
        return rows.filter(**{f"{self.column}__gte": app_now() - span[1]}) if span else rows


def since(column: str) -> type[Since]:
    """A filter by the column that the list's order descends along."""
    title = column.removesuffix("_at").replace("_", " ")
    return type(f"{column.title()}Since", (Since,), {"column": column, "title": title})


class KeyedChangeList(ChangeList):
    """Links to rows by all columns of their key; loose filters look through the newest rows."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> Any:
        rows: Any = super().get_queryset(request, exclude_parameters)
        admin: Any = self.model_admin
        searched = admin.is_searched(request)
        chosen = [spec for spec in self.filter_specs if isinstance(spec, Choice) and spec.value()]
        for spec in chosen:
            if not spec.is_loose(searched):
                rows = rows.filter(spec.condition)
        loose = [spec.condition for spec in chosen if spec.is_loose(searched)]
        return _newest(rows, admin.newest).filter(*loose) if loose else rows

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not (self.query or self.has_active_filters):
            # These are all: the page need not offer them.
            self.full_result_count = self.result_count

    def url_for_result(self, result: Any) -> str:
        admin: Any = self.model_admin
        if not admin.key_fields:
            found: str = super().url_for_result(result)
            return found
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return reverse(name, args=[admin.key_of(result)])


def _newest(rows: Any, column: str) -> Any:
    """The first `LOOKED_THROUGH` of them; `column` is what their order descends along."""
    beyond = rows.order_by(f"-{column}").values_list(column, flat=True)
    edge = list(beyond[LOOKED_THROUGH : LOOKED_THROUGH + 1])
    return rows.filter(**{f"{column}__gte": edge[0]}) if edge else rows


# --- searching ---------------------------------------------------------------------------------


def conditions(model: type[models.Model], fields: Sequence[str], term: str) -> list[Q]:
    """Of the searched fields those that `term` can stand in: ids in the columns of their kind,
    whole numbers and UUIDs in theirs, and anything else in columns of text."""
    identifier = _ID.fullmatch(term)
    known = {kind for field in fields for kind in kinds(model, field)}
    found = []
    for field in fields:
        path, lookup = _parted(field)
        if kinds(model, field):
            fits = identifier is not None and identifier[1] in kinds(model, field)
        else:
            fits = _stands_in(_column(model, path), lookup, term)
            fits = fits and not (identifier and identifier[1] in known)
        if fits:
            found.append(Q(**{f"{path}__{lookup}": term}))
    return found


def _stands_in(column: Any, lookup: str, term: str) -> bool:
    if isinstance(column, models.UUIDField):
        try:
            return bool(uuid.UUID(term))
        except ValueError:
            return False
    if isinstance(column, models.IntegerField):
        return term.isascii() and term.isdigit() and int(term) < 2**63
    return "contains" not in lookup or len(term) >= NAME_CHARACTERS


def kinds(model: type[models.Model], field: str) -> tuple[str, ...]:
    """What the ids in a searched column begin with; nothing where it holds other things."""
    path, _ = _parted(field)
    column = _column(model, path)
    if isinstance(column.default, partial):
        return (str(column.default.args[0]),)
    return _KINDS.get(path.rpartition("__")[2], ())


def _parted(field: str) -> tuple[str, str]:
    """`owner__id__exact` → `owner__id`, `exact`."""
    path, _, lookup = field.rpartition("__")
    return (path, lookup) if path and lookup in _LOOKUPS else (field, "exact")


def _column(model: type[models.Model], path: str) -> Any:
    column: Any = None
    for name in path.split("__"):
        column = model._meta.pk if name == "pk" else model._meta.get_field(name)
        model = column.related_model or model
    return column


def help_text(model: type[models.Model], fields: Sequence[str]) -> str:
    """What may be searched, for people: `id (dc_…), owner (u_…), part of name`."""
    return "Search by " + ", ".join(_helped(model, fields)) if fields else ""


def _helped(model: type[models.Model], fields: Sequence[str]) -> Iterator[str]:
    for field in fields:
        path, lookup = _parted(field)
        label = path.replace("__", " ").removesuffix("_id")
        label = label.removesuffix(" id").replace("_", " ") or "id"
        begins = " or ".join(f"{kind}_…" for kind in kinds(model, field))
        part = {"icontains": "part of ", "contains": "part of "}.get(lookup, "")
        part = "beginning of " if "startswith" in lookup else part
        yield f"{part}{label} ({begins})" if begins else f"{part}{label}"
