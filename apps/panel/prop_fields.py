"""A form field for a prop: a widget where there is a better one than JSON."""

from __future__ import annotations

from typing import Any

import orjson
from django import forms
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from apps.accounts.models import Account
from apps.components.description import APP, APPHOOK, HTTP, STORE, TIMER, input_type
from apps.core.showing import visible
from apps.sources.models import Source

# A secret that was not given anew.
UNCHANGED = object()
ACCOUNTS = 200
# A text area for JSON: its height, and the characters that a low one shows.
LINES, ONE_LINE = 10, 80
_HINTS = {
    TIMER: 'JSON: {"intervalSeconds": 900} or {"cron": "0 8 * * *", "timezone": "Europe/Berlin"}',
    "object": "JSON: an object",
}


def field_of(prop: dict[str, Any], source: Source) -> forms.Field | None:
    """None for what nobody sets. Values are those that `configured_props` of the API take; an empty
    field is null: the prop returns to its default."""
    kind = prop["type"]
    if kind in (HTTP, STORE, APPHOOK):
        return None
    name = prop["name"]
    stored = source.configured_props.get(name)
    notes = [str(prop[key])[:500] for key in ("label", "description") if prop.get(key)]
    common: dict[str, Any] = {"label": name, "required": False}
    if prop.get("secret"):
        kept = "set; empty: it stays as it is" if name in source.secret_props else "not set"
        return _Secret(help_text=_help(kept, *notes), **common)
    if kind == APP:
        return _Account(prop, source, stored, help_text=_help(prop["app"], *notes), **common)
    if kind == "string" and not prop.get("options") and not _needs_json(stored):
        return _Plain(initial=stored or "", help_text=_help("text", *notes), **common)
    hint = _HINTS.get(kind, f"JSON: {input_type(kind) or kind}")
    initial = "" if stored is None else _json(_given(kind, stored))
    if options := prop.get("options"):
        notes.append(f"one of {orjson.dumps(options).decode()[:500]}")
    field = _Json(initial=initial, help_text=_help(hint, *notes), **common)
    field.widget.attrs["rows"] = LINES if len(initial) > ONE_LINE else 2
    return field


def _given(kind: str, stored: Any) -> Any:
    """A stored timer in the form that is given."""
    if kind == TIMER and isinstance(stored, dict):
        return {key: value for key, value in stored.items() if value is not None}
    return stored


def _json(value: Any) -> str:
    """With unseen characters escaped, as JSON may have them: it reads as the same value."""
    text = orjson.dumps(value).decode()
    return visible(text, len(text))


def _needs_json(value: Any) -> bool:
    """A browser's field of one line would lose or hide some of it."""
    if not isinstance(value, str):
        return False
    return "\n" in value or len(value) > 300 or visible(value) != value


def _help(*notes: str) -> str:
    return ". ".join(notes)


class _Plain(forms.CharField):
    widget = UnfoldAdminTextInputWidget

    def __init__(self, **named: Any) -> None:
        super().__init__(strip=False, **named)

    def clean(self, value: Any) -> Any:
        return super().clean(value) or None


class _Secret(forms.CharField):
    widget = UnfoldAdminPasswordWidget

    def __init__(self, **named: Any) -> None:
        super().__init__(strip=False, **named)
        self.widget.attrs["autocomplete"] = "new-password"

    def clean(self, value: Any) -> Any:
        return super().clean(value) or UNCHANGED


class _Json(forms.CharField):
    widget = UnfoldAdminTextareaWidget

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text.strip():
            return None
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise forms.ValidationError(f"this is no JSON: {error}") from None


class _Account(forms.ChoiceField):
    """One of the accounts that the source's owner has connected at the prop's app."""

    widget = UnfoldAdminSelectWidget

    def __init__(self, prop: dict[str, Any], source: Source, stored: Any, **named: Any) -> None:
        own = Account.objects.filter(owner=source.owner, app_slug=prop["app"], deleted_at=None)
        found = own.order_by("-created_at").values_list("id", "name")[:ACCOUNTS]
        current = stored["authProvisionId"] if stored else ""
        choices = [("", "none"), *((one, f"{name} ({one})") for one, name in found)]
        if current and current not in dict(choices):
            choices.append((current, f"{current} (deleted)"))
        super().__init__(choices=choices, initial=current, **named)

    def clean(self, value: Any) -> Any:
        chosen = super().clean(value)
        return {"authProvisionId": chosen} if chosen else None
