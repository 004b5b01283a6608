"""Configured props: from what a caller gives to what is stored, shown and handed to the child.

REST specification 5.3 and component specification 3. Pure but for the settings and the encryption
of secrets. A prop is identified by its name; its definition is one of `Component.props`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from django.conf import settings

from apps.accounts import connected
from apps.components.description import APP, APPHOOK, HTTP, STORE, TIMER, input_type
from apps.components.models import Component
from apps.core import errors, secrets
from apps.sources import coercion
from apps.sources.keyless import Keyless, Prop, keyless_of, only_open
from apps.sources.models import Source
from apps.sources.schedule import DEFAULT_INTERVAL, Schedule, parse_cron, parse_interval

MASK = "********"
# From the id of a connected account to its app's slug; None: the owner has no such account.
AppOf = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Configured:
    """`plain` and `secrets` as `Source` stores them; `timer` None when there is no timer prop."""

    plain: dict[str, Any]
    secrets: dict[str, str]
    needs_endpoint: bool
    timer: Schedule | None


@dataclass(frozen=True, slots=True)
class Previous:
    """What a source was configured with before an update."""

    plain: Mapping[str, Any]
    secrets: Mapping[str, str]


def previous_of(source: Source) -> Previous:
    return Previous(source.configured_props, source.secret_props)


def no_accounts(_account_id: str) -> str | None:
    """Of somebody who has connected nothing."""
    return None


def configure(
    component_props: Sequence[Prop],
    given: Mapping[str, Any],
    previous: Previous | None = None,
    *,
    app_of: AppOf = no_accounts,
    keyless: Keyless = only_open,
) -> Configured:
    """Validate `given`, merged per prop into `previous`. Raises ApiError 400 naming the prop.

    A prop given as null returns to its default; one that is absent keeps its previous value; a
    previous value whose prop is gone is dropped.
    """
    definitions = {prop["name"]: prop for prop in component_props}
    for name in given:
        if name not in definitions:
            shown = str(name)[:80]
            raise errors.invalid(
                f"configured_props.{shown}", f"{shown!r} is not a prop of this component"
            )
    plain: dict[str, Any] = {}
    sealed: dict[str, str] = {}
    for name, prop in definitions.items():
        kind = prop["type"]
        if kind in (HTTP, STORE, APPHOOK):
            continue
        if prop.get("secret"):
            token = _secret(prop, given, previous)
            if token is not None:
                sealed[name] = token
            continue
        value = _plain(prop, given, previous, app_of, keyless)
        if value is not None:
            plain[name] = value
    return Configured(
        plain=plain,
        secrets=sealed,
        needs_endpoint=any(prop["type"] == HTTP for prop in component_props),
        timer=schedule_of(component_props, plain),
    )


def trial(
    component: Component, owner_id: str, given: Mapping[str, Any], *, partial: bool
) -> Source:
    """A source that is never saved, configured with `given`: for what runs without one.

    `partial`: what is required may be unset still, as while somebody fills in a form. The source
    has no endpoint. Raises ApiError 400 naming the prop.
    """
    definitions = component.props
    if partial:
        definitions = [{**prop, "optional": True} for prop in definitions]
    configured = configure(
        definitions, given, app_of=connected.app_of(owner_id), keyless=keyless_of(component)
    )
    return Source(
        owner_id=owner_id,
        component=component,
        configured_props=configured.plain,
        secret_props=configured.secrets,
    )


def schedule_of(component_props: Sequence[Prop], plain: Mapping[str, Any]) -> Schedule | None:
    """The schedule among stored props; None without a timer prop."""
    for prop in component_props:
        if prop["type"] == TIMER:
            stored = plain[prop["name"]]
            return Schedule(
                stored["interval_seconds"], stored["cron"], stored.get("timezone", "UTC")
            )
    return None


def _plain(
    prop: Prop,
    given: Mapping[str, Any],
    previous: Previous | None,
    app_of: AppOf,
    keyless: Keyless,
) -> Any:
    """The value to store; None when the prop stays unset."""
    name, kind = prop["name"], prop["type"]
    if given.get(name) is not None:
        value = given[name]
    elif name not in given and previous is not None and name in previous.plain:
        value = previous.plain[name]
    else:
        value = prop.get("default")
    if kind == TIMER:
        return timer(value, name)
    if kind == APP:
        return _account(prop, value, app_of, keyless)
    if value is None:
        if prop.get("optional"):
            return None
        raise _missing(name)
    return _checked(prop, value)


def _secret(prop: Prop, given: Mapping[str, Any], previous: Previous | None) -> str | None:
    """The token to store; the mask, or nothing given, leaves the previous one."""
    name = prop["name"]
    kept = previous.secrets.get(name) if previous is not None else None
    if name not in given or given[name] == MASK:
        if kept is not None:
            return kept
        # Plain under the old code and secret under the new one: it is encrypted from now on.
        value = previous.plain.get(name) if previous is not None and name not in given else None
    else:
        value = given[name]
    if value is None:
        value = prop.get("default")
    if value is None:
        if prop.get("optional"):
            return None
        raise _missing(name)
    return secrets.encrypt(_checked(prop, value))


def _missing(name: str) -> errors.ApiError:
    return errors.invalid(f"configured_props.{name}", f"{name} is required")


def _checked(prop: Prop, value: Any) -> Any:
    where = f"configured_props.{prop['name']}"
    kind = input_type(prop["type"])
    assert kind is not None
    checked = coercion.coerce(kind, value, prop["name"], where)
    try:
        size = len(orjson.dumps(checked))
    except (TypeError, ValueError):
        raise errors.invalid(where, f"{prop['name']} cannot be stored as JSON") from None
    if size > settings.PROP_BYTES:
        raise errors.invalid(where, f"{prop['name']} is larger than {settings.PROP_BYTES} bytes")
    coercion.check_bounds(prop, checked, where)
    coercion.check_options(prop, checked, where)
    return checked


def timer(value: Any, name: str = "timer") -> dict[str, Any]:
    """The stored form of a timer: `cron` and `interval_seconds`, one of them null, and `timezone`
    when one was given. None means 3600 s. Raises ApiError 400 naming the prop."""
    where = f"configured_props.{name}"
    if value is None:
        return {"cron": None, "interval_seconds": DEFAULT_INTERVAL}
    if not isinstance(value, Mapping):
        raise errors.invalid(where, f"{name} must be an object with intervalSeconds or cron")
    unknown = set(value) - {"intervalSeconds", "interval_seconds", "cron", "timezone"}
    if unknown:
        raise errors.invalid(where, f"{name}.{min(map(str, unknown))[:80]} is not known")
    intervals = [
        value[key] for key in ("intervalSeconds", "interval_seconds") if value.get(key) is not None
    ]
    cron, zone = value.get("cron"), value.get("timezone")
    if len(intervals) > 1 and intervals[0] != intervals[1]:
        raise errors.invalid(where, f"{name}: intervalSeconds and interval_seconds differ")
    if bool(intervals) == (cron is not None):
        raise errors.invalid(where, f"{name}: either intervalSeconds or cron must be given")
    try:
        if intervals:
            if zone is not None:
                raise errors.invalid(where, "timezone is for cron only")
            return {"cron": None, "interval_seconds": parse_interval(intervals[0])}
        schedule = parse_cron(cron, "UTC" if zone is None else zone)
    except errors.ApiError as refused:
        raise errors.invalid(where, f"{name}: {refused.message}") from None
    stored: dict[str, Any] = {"cron": schedule.cron, "interval_seconds": None}
    return stored if zone is None else {**stored, "timezone": schedule.timezone}


def check_timer_default(value: Any) -> None:
    """For `apps.components.description.validate`. Raises ApiError 400."""
    timer(value, "timer")


def _account(prop: Prop, value: Any, app_of: AppOf, keyless: Keyless) -> dict[str, str] | None:
    """The stored form of an app prop: the id of an account that is the owner's and the app's."""
    name, app = prop["name"], prop["app"]
    where = f"configured_props.{name}"
    if value is None:
        if prop.get("optional") or keyless(prop):
            return None
        raise errors.invalid(where, f"{name}: an account of {app} must be connected")
    account_id = value.get("authProvisionId") if isinstance(value, Mapping) else None
    if not isinstance(account_id, str):
        raise errors.invalid(where, f"{name} must be an object with authProvisionId")
    found = app_of(account_id)
    if found is None:
        raise errors.invalid(where, f"{name}: authProvisionId names no account of yours")
    if found != app:
        raise errors.invalid(where, f"{name}: {account_id} is an account of {found}, not of {app}")
    return {"authProvisionId": account_id}


# --- out -------------------------------------------------------------------------------------


class Reachable(Protocol):
    """What has an endpoint."""

    @property
    def endpoint_key(self) -> str | None: ...


def endpoint_url(source: Reachable) -> str:
    """Without a trailing slash: signature checks of components append it (component spec 5.2)."""
    return f"{settings.PUBLIC_URL}/h/{source.endpoint_key}"


def shown(source: Source) -> dict[str, Any]:
    """`configured_props` as REST shows them, in the order of declaration."""
    found: dict[str, Any] = {}
    for prop in source.component.props:
        name, kind = prop["name"], prop["type"]
        if kind == HTTP:
            found[name] = {"endpoint_url": endpoint_url(source)}
        elif prop.get("secret"):
            found[name] = MASK if name in source.secret_props else None
        elif name in source.configured_props:
            found[name] = source.configured_props[name]
    return found
