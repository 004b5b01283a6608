"""What every admin page of the platform's own tables has in common: looking, not touching.

Rows are written by services, each change with its entry in a ledger; the admin shows them. Large
tables are never counted or sorted whole, and tables whose key has several columns are reached by
all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, unquote

from django.contrib.admin.utils import quote as quoted
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from unfold.admin import ModelAdmin

from apps.core.showing import SEALED, readable

COUNTED = 10_000


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts to ten thousand and no further; what lies beyond is found by searching."""

    @cached_property
    def count(self) -> int:
        objects: Any = self.object_list
        if isinstance(objects, models.QuerySet):
            return objects.order_by()[:COUNTED].count()
        return len(objects)


def _shower(name: str, label: str) -> Callable[[Any], str]:
    def show(row: Any) -> str:
        value = getattr(row, name)
        if value is None:
            return "-"
        text = readable({name: value})[1:-1] if name in SEALED else readable(value)
        return format_html('<pre style="white-space: pre-wrap">{}</pre>', text)

    show.__name__ = f"show_{name}"
    show.short_description = label  # type: ignore[attr-defined]
    return show


def joined(parts: Iterable[Any]) -> str:
    """The columns of a key as one part of an address. Django undoes its own quoting before
    `get_object` does the rest: an id such as dc_3Axyz would be read as another without it."""
    each = (quote(str(part), safe="").replace("~", "%7E") for part in parts)
    return quoted("~".join(each))


class KeyedChangeList(ChangeList):
    """Links to rows by all columns of their key."""

    def url_for_result(self, result: Any) -> str:
        admin: Any = self.model_admin
        if not admin.key_fields:
            found: str = super().url_for_result(result)
            return found
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return reverse(name, args=[admin.key_of(result)])


class LookOnly(ModelAdmin):  # type: ignore[misc]
    """Base of admins that change nothing.

    key_fields   the columns of the table's key, when Django's `pk` is not unique
    hidden       columns that no page shows
    light        columns that a list needs not load
    """

    key_fields: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    light: tuple[str, ...] = ()
    actions: Any = None
    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50
    # Sorting by any other column would sort the whole table.
    sortable_by: Any = ()

    def has_add_permission(self, _request: HttpRequest, *_rest: Any) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _row: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _row: Any = None) -> bool:
        return False

    def get_changelist(self, _request: HttpRequest, **_kwargs: Any) -> type[ChangeList]:
        return KeyedChangeList

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
