"""Forms about one source. What the services refuse comes back to the field that it names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from django import forms
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from apps.accounts.models import User
from apps.components.models import Component
from apps.components.services import visible
from apps.core.errors import ApiError
from apps.events.items import LAST, MAX_N, EventId, parse_id
from apps.events.services import FIRST
from apps.panel.prop_fields import UNCHANGED, field_of
from apps.runs.lifecycle import MAX_LIMITS, Changes
from apps.sources.models import Source
from apps.subscriptions.models import Subscription

VERSIONS = 100
LISTENERS = 200
_PROPS = "configured_props."


class Refusable(forms.Form):
    """`places`: the field of a parameter that a service names in its refusal."""

    places: Mapping[str, str] = {}

    def refuse(self, error: ApiError) -> None:
        parameter = error.parameter or ""
        field = self.places.get(parameter, parameter)
        self.add_error(field if field in self.fields else None, error.message)


class PropsForm(Refusable):
    """A field for each prop of the component; name and limits of the source beside them.

    Only what was changed is given to the service, so that secrets stay as they are.
    """

    def __init__(self, source: Source, data: Any = None) -> None:
        super().__init__(data, prefix=None)
        self._source = source
        self.fields["name"] = forms.CharField(
            max_length=400, initial=source.name, widget=UnfoldAdminTextInputWidget
        )
        self._props: dict[str, dict[str, Any]] = {}
        for number, prop in enumerate(source.component.props):
            field = field_of(prop, source)
            if field is not None:
                self.fields[f"prop{number}"] = field
                self._props[f"prop{number}"] = prop
        for name, least in (("concurrency", True), ("rate_limit", False)):
            self.fields[name] = forms.IntegerField(
                min_value=1,
                max_value=MAX_LIMITS[name],
                required=least,
                initial=getattr(source, name),
                widget=UnfoldAdminIntegerFieldWidget,
                help_text="HTTP runs at once" if least else "HTTP requests a second; empty: any",
            )
        self.places = {f"{_PROPS}{prop['name']}": name for name, prop in self._props.items()}

    def changes(self) -> Changes:
        given = {
            self._props[name]["name"]: self.cleaned_data[name]
            for name in self.changed_data
            if name in self._props and self.cleaned_data[name] is not UNCHANGED
        }
        return Changes(
            configured_props=given or None,
            name=self.cleaned_data["name"] if "name" in self.changed_data else None,
            limits={
                name: self.cleaned_data[name]
                for name in ("concurrency", "rate_limit")
                if name in self.changed_data
            },
        )


class JsonField(forms.CharField):
    """An object, or nothing."""

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text.strip():
            return {}
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise forms.ValidationError(f"this is no JSON: {error}") from None
        if not isinstance(found, dict):
            raise forms.ValidationError("this must be a JSON object")
        return found


class VersionForm(Refusable):
    """Another row of the same key, or any component that the source's owner may read."""

    places = {"component_id": "other"}

    def __init__(self, source: Source, data: Any = None) -> None:
        super().__init__(data)
        self._owner: User = source.owner
        current = source.component
        rows = visible(self._owner).none()
        if current.key:
            rows = visible(self._owner).filter(key=current.key).exclude(id=current.id)
        newest = rows.order_by("-created_at").only("id", "version", "created_at", "origin")
        choices = [("", "---")] + [
            (row.id, f"{row.version or 'no version'} of {row.created_at:%Y-%m-%d %H:%M} ({row.id})")
            for row in newest[:VERSIONS]
        ]
        self.fields["version"] = forms.ChoiceField(
            choices=choices,
            required=False,
            widget=UnfoldAdminSelectWidget,
            help_text=f"Components with the key {current.key}, newest first" if current.key else "",
        )
        self.fields["other"] = forms.CharField(
            label="Or a component by its id",
            max_length=16,
            required=False,
            widget=UnfoldAdminTextInputWidget,
            help_text="sc_…, of the source's owner or of the registry",
        )
        self.fields["configured_props"] = JsonField(
            label="Props to set with it",
            required=False,
            widget=UnfoldAdminTextareaWidget,
            help_text="A JSON object with the props that change; the others stay",
        )

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        other = found.get("other") or found.get("version")
        if not other:
            raise forms.ValidationError("Choose a version, or give the id of a component")
        component = visible(self._owner).filter(id=other).first() if "\0" not in other else None
        if component is None:
            self.add_error("other", "this is no component that the source's owner may read")
        self.component: Component | None = component
        return found

    def changes(self) -> Changes:
        return Changes(self.component, self.cleaned_data["configured_props"] or None)

    def refuse(self, error: ApiError) -> None:
        if (error.parameter or "").startswith(_PROPS):
            self.add_error("configured_props", error.message)
        else:
            super().refuse(error)


class DeleteForm(Refusable):
    ignore_hook_errors = forms.BooleanField(
        label="Delete also when the deactivate hook fails",
        initial=True,
        required=False,
        widget=UnfoldBooleanWidget,
    )


class ReplayForm(Refusable):
    """A closed range of events, to all that listen now or to one of them."""

    places = {"from": "start", "to": "end"}

    start = forms.CharField(
        label="From event",
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="An event id such as 1589486981597-0; empty: from the first one",
    )
    end = forms.CharField(
        label="To event",
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Empty: to the newest one",
    )
    channel = forms.CharField(
        max_length=64,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Empty: the default channel and the component's own",
    )
    listener_id = forms.ChoiceField(
        label="Listener", required=False, widget=UnfoldAdminSelectWidget
    )

    def __init__(self, source: Source, data: Any = None) -> None:
        super().__init__(data)
        found = Subscription.objects.filter(
            deleted_at=None, owner_id=source.owner_id, emitter_id__in=[source.id, "dc_*"]
        )
        ids = sorted(set(found.values_list("listener_id", flat=True)[:LISTENERS]))
        listener: Any = self.fields["listener_id"]
        listener.choices = [("", "All that listen now"), *((one, one) for one in ids)]

    def clean_start(self) -> EventId:
        return _bound(self.cleaned_data["start"], 0) or FIRST

    def clean_end(self) -> EventId:
        return _bound(self.cleaned_data["end"], MAX_N) or LAST

    def wanted(self) -> dict[str, Any]:
        return {
            "start": self.cleaned_data["start"],
            "end": self.cleaned_data["end"],
            "channel": self.cleaned_data["channel"] or None,
            "listener_id": self.cleaned_data["listener_id"] or None,
        }


def _bound(text: str, missing_n: int) -> EventId | None:
    if not text:
        return None
    found = parse_id(text.strip(), missing_n=missing_n)
    if found is None:
        raise forms.ValidationError("this must be an event id such as 1589486981597-0")
    return found
