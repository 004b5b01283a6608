"""What every admin page of the platform's own tables has in common: looking, not touching.

Rows are written by services, each change with its entry in a ledger; the admin shows them. Large
tables are never counted or sorted whole, and tables whose key has several columns are reached by
all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, unquote

from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import quote as quoted
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.db.models import Q
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.html import format_html
from unfold.admin import ModelAdmin

from apps.core import admin_lists
from apps.core.admin_lists import CappedPaginator, KeyedChangeList
from apps.core.showing import SEALED, readable


def _shower(name: str, label: str) -> Callable[[Any], str]:
    def show(row: Any) -> str:
        value = getattr(row, name)
        if value is None:
            return "-"
        text = readable({name: value})[1:-1] if name in SEALED else readable(value)
        return format_html('<pre style="white-space: pre-wrap">{}</pre>', text)

    show.__name__ = f"show_{name}"
    # The admin reads its heading from the function.
    show.short_description = label  # type: ignore[attr-defined]
    return show


def joined(parts: Iterable[Any]) -> str:
    """The columns of a key as one part of an address. Django undoes its own quoting before
    `get_object` does the rest: an id such as dc_3Axyz would be read as another without it."""
    each = (quote(str(part), safe="").replace("~", "%7E") for part in parts)
    return quoted("~".join(each))


class Lists(ModelAdmin):  # type: ignore[misc]  # Unfold has no types
    """Lists of large tables, and nothing of it counted whole: see `apps.core.admin_lists`.

    key_fields   the columns of the table's key, when Django's `pk` is not unique
    hidden       columns that no page shows
    newest       the column that the list's order descends along, where it has loose filters
    search_fields are asked as `admin_lists.conditions` says; each has an index
    """

    key_fields: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    newest = "id"
    change_list_template = "core/list.html"
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_per_page = 50
    # Sorting by any other column would sort the whole table.
    sortable_by: Any = ()

    def get_changelist(self, _request: HttpRequest, **_kwargs: Any) -> type[ChangeList]:
        return KeyedChangeList

    @property
    def search_help_text(self) -> str:
        return admin_lists.help_text(self.model, self.search_fields)

    def is_searched(self, request: HttpRequest) -> bool:
        """By the field of the search, or by an address that names a searched column."""
        return any(request.GET.get(name) for name in ("q", *self.search_fields))

    def get_search_results(self, request: HttpRequest, rows: Any, term: str) -> tuple[Any, bool]:
        term = term.strip()
        if not term:
            return rows, False
        fields = self.get_search_fields(request)
        found = admin_lists.conditions(self.model, list(fields), term)
        if "\0" in term or not found:
            return rows.none(), False
        either = Q()
        for condition in found:
            either |= condition
        return rows.filter(either), False

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """By what is searched and filtered by, not by just any column: that would read the whole
        table, and tell of columns that are hidden."""
        offered: set[str] = set(self.search_fields)
        for entry in self.get_list_filter(request):
            name = entry[0] if isinstance(entry, tuple | list) else entry
            offered.add(str(getattr(name, "parameter_name", name)))
        bare = lookup.removesuffix("__exact").removesuffix("__isnull")
        return bool({lookup, bare, f"{bare}__exact"} & offered)


class LookOnly(Lists):
    """Base of admins that change nothing.

    light        columns that a list needs not load
    """

    light: tuple[str, ...] = ()
    actions: Any = None

    def has_add_permission(self, _request: HttpRequest, *_rest: Any) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _row: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _row: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)
        return rows.defer(*self.light) if self.light else rows

    def get_fields(self, _request: HttpRequest, _row: Any = None) -> list[Any]:
        return list(self._columns)

    def get_readonly_fields(self, _request: HttpRequest, _row: Any = None) -> list[Any]:
        return list(self._columns)

    @cached_property
    def _columns(self) -> list[Any]:
        return [
            _shower(column.name, str(column.verbose_name))
            if isinstance(column, models.BinaryField)
            else column.name
            for column in self.opts.concrete_fields
            if column.name not in self.hidden
        ]

    def key_of(self, row: Any) -> str:
        """`dc_5YGuMo~~1589486981597~0`: one part of an address for one row."""
        return joined(getattr(row, name) for name in self.key_fields)

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        if not self.key_fields:
            return super().get_object(request, object_id, from_field)
        parts: Iterable[str] = [unquote(part) for part in object_id.split("~")]
        try:
            key = dict(zip(self.key_fields, parts, strict=True))
            return self.get_queryset(request).defer(None).filter(**key).first()
        except (ValueError, TypeError):
            return None
