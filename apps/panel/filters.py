"""Filters with a field to write into. A list that has one sets `list_filter_submit`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib.admin import SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.http import HttpRequest
from unfold.widgets import INPUT_CLASSES

_CLASSES = " ".join(INPUT_CLASSES)


class Written(SimpleListFilter):
    """Rows whose column is, or lies, as was written. `kind` is that of the HTML input."""

    template = "panel/filter.html"
    kind = "text"

    def lookups(self, _request: HttpRequest, _admin: Any) -> tuple[()]:
        return ()

    def has_output(self) -> bool:
        return True

    def choices(self, changes: Any) -> Iterator[Any]:
        attrs = {"class": _CLASSES, "type": self.kind, "autocomplete": "off"}
        field = forms.CharField(
            label=self.title, required=False, widget=forms.TextInput(attrs=attrs)
        )
        made = type("Form", (forms.Form,), {str(self.parameter_name): field})
        # Other than those of the page's other forms.
        form = made({self.parameter_name: self.value()}, auto_id="filter_%s")
        yield {"form": form, "kept": self._kept(changes)}

    def _kept(self, changes: Any) -> dict[str, Any]:
        """What is chosen of filters that are links: the form of all fields tells it on, once."""
        fields = [spec for spec in changes.filter_specs if isinstance(spec, Written)]
        if fields[0] is not self:
            return {}
        links = [spec for spec in changes.filter_specs if not isinstance(spec, Written)]
        return {name: value for spec in links for name, value in spec.used_parameters.items()}

    def queryset(self, _request: HttpRequest, rows: Any) -> Any:
        text = (self.value() or "").strip()
        return rows.filter(**{str(self.parameter_name): self.read(text)}) if text else rows

    def read(self, text: str) -> Any:
        # No column holds it, and PostgreSQL takes it for an error.
        if "\0" in text:
            raise IncorrectLookupParameters
        return text


class Moment(Written):
    """A bound of a time, in UTC."""

    kind = "datetime-local"

    def read(self, text: str) -> datetime:
        try:
            return datetime.fromisoformat(text).replace(tzinfo=UTC)
        except ValueError as error:
            raise IncorrectLookupParameters from error


def written(lookup: str, title: str, base: type[Written] = Written) -> type[Written]:
    """`lookup` is the parameter's name too: `actor__exact`."""
    return type("WrittenFilter", (base,), {"parameter_name": lookup, "title": title})
