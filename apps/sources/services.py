"""Writing sources, their timers and their ledger. The only writer of these tables.

Each function is one change of one source: the row (in the state and version that the caller saw),
its timer, and one ledger entry per kind of change, in one transaction. `Stale` means that somebody
else changed the source meanwhile. Waiting for runs and calling hooks is the work of the layers
above (`apps.runs.lifecycle`, `apps.runs.conduct`).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from apps.accounts.models import User
from apps.components import slugs
from apps.components.description import title
from apps.components.models import Component
from apps.core import errors
from apps.core.clock import app_now
from apps.sources import ledger, timers
from apps.sources.models import Source, SourceChange
from apps.sources.props import Configured

State = Source.State
Kind = SourceChange.Kind

ENDPOINT_LENGTH = 32
# The actor of what the platform itself decides.
SYSTEM = "system"
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_TRIES = 20


class Stale(Exception):
    """The source is no longer in the state that the caller saw; nothing was changed."""


# `concurrency` and `rate_limit`, those that are to be set.
Limits = Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Exchange:
    """What an update puts in place; None = left as it is."""

    component: Component | None = None
    configured: Configured | None = None
    name: str | None = None
    limits: Limits | None = None


# --- insert ----------------------------------------------------------------------------------


def insert(
    owner: User,
    component: Component,
    configured: Configured,
    *,
    name: str | None,
    state: Source.State,
    limits: Limits | None = None,
) -> Source:
    """A new source, its timer (started when `state` is active) and the first ledger entry.

    Without a name, the component's slug in its free form is the name too. 400 for a bad name.
    """
    if name is not None:
        title(name, "name")
    for _ in range(_TRIES):
        with _another_try():
            return _insert(owner, component, configured, name, state, limits or {})
    raise errors.conflict("too many sources of this name are being created at once")


def _insert(
    owner: User,
    component: Component,
    configured: Configured,
    name: str | None,
    state: str,
    limits: Limits,
) -> Source:
    now = app_now()
    base = component.name_slug if name is None else slugs.slugify(name)
    slug = slugs.first_free(base, _taken(owner.id, base))
    source = Source.objects.create(
        owner=owner,
        component=component,
        state=state,
        name=slug if name is None else name,
        name_slug=slug,
        configured_props=configured.plain,
        secret_props=configured.secrets,
        endpoint_key=_endpoint_key() if configured.needs_endpoint else None,
        created_at=now,
        updated_at=now,
        **limits,
    )
    data = {column: getattr(source, column) for column in ledger.COLUMNS}
    data |= timers.reschedule(source.id, configured.timer, 1, now, state == State.ACTIVE)
    ledger.append(source.id, 1, Kind.DEPLOYED, owner.id, now, data)
    return source


def _endpoint_key() -> str:
    """Unguessable: 32 base-36 characters are 165 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(ENDPOINT_LENGTH))


def _taken(owner_id: str, base: str, besides: str = "") -> set[str]:
    """Slugs in use that begin like `base`; inactive sources count, deleted and failed do not."""
    used = (
        Source.objects.filter(owner_id=owner_id, name_slug__startswith=base)
        .exclude(state__in=[State.DELETED, State.FAILED])
        .exclude(id=besides)
    )
    return set(used.values_list("name_slug", flat=True))


@contextmanager
def _another_try() -> Iterator[None]:
    """Swallow a collision of ids or slugs (a race, or one id in 57 thousand millions)."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if not any(name in str(error) for name in ("source_slug_once", "sources_source_pkey")):
            raise


# --- changes ---------------------------------------------------------------------------------


class _Change:
    """One transaction's changes to one source, each with its ledger entry."""

    def __init__(self, source: Source, actor: str) -> None:
        self.source, self.actor, self.now = source, actor, app_now()

    @property
    def version(self) -> int:
        """The version that the next `write` makes."""
        return self.source.version + 1

    def write(
        self, kind: str, fields: dict[str, Any], logged: dict[str, Any] | None = None
    ) -> None:
        """Set columns of the source; `logged` is what the entry says besides (of the timer)."""
        source = self.source
        changed = Source.objects.filter(
            id=source.id, state=source.state, version=source.version
        ).update(version=self.version, updated_at=self.now, **fields)
        if changed != 1:
            raise Stale(source.id)
        source.version += 1
        source.updated_at = self.now
        for name, value in fields.items():
            setattr(source, name, value)
        # `deleted_at` is told by the entry's own time.
        data = {name: value for name, value in fields.items() if name != "deleted_at"}
        data |= logged or {}
        ledger.append(source.id, source.version, kind, self.actor, self.now, data)


@transaction.atomic
def exchange(source: Source, wanted: Exchange, actor: str) -> None:
    """Put new code, props, limits or name in place. State, endpoint and a kept schedule stay.

    A changed schedule is a new generation; when the source is active, it starts at once.
    """
    change = _Change(source, actor)
    if wanted.name is not None and wanted.name != source.name:
        _rename(change, wanted.name)
    limits = {
        name: value
        for name, value in (wanted.limits or {}).items()
        if value != getattr(source, name)
    }
    if limits:
        change.write(Kind.PROPS_CHANGED, limits)
    configured = wanted.configured
    if configured is None:
        return
    fields: dict[str, Any] = {}
    component = wanted.component
    if component is not None and component.id != source.component_id:
        fields["component_id"] = component.id
    if configured.plain != source.configured_props:
        fields["configured_props"] = configured.plain
    if configured.secrets != source.secret_props:
        fields["secret_props"] = configured.secrets
    if configured.needs_endpoint and source.endpoint_key is None:
        fields["endpoint_key"] = _endpoint_key()
    if not fields:
        return
    schedule, active = configured.timer, source.state == State.ACTIVE
    logged = timers.reschedule(source.id, schedule, change.version, change.now, active)
    change.write(
        Kind.CODE_CHANGED if "component_id" in fields else Kind.PROPS_CHANGED, fields, logged
    )
    if component is not None:
        source.component = component


def _rename(change: _Change, name: str) -> None:
    source = change.source
    base = slugs.slugify(title(name, "name"))
    for _ in range(_TRIES):
        slug = slugs.first_free(base, _taken(source.owner_id, base, besides=source.id))
        with _another_try():
            change.write(Kind.RENAMED, {"name": name, "name_slug": slug})
            return
    raise errors.conflict("too many sources of this name are being created at once")


@transaction.atomic
def activate(source: Source, actor: str) -> None:
    """`inactive` → `active`, under a fresh schedule that `start_timer` sets going. Raises Stale."""
    change = _expecting(source, actor, State.INACTIVE)
    logged = timers.renew(source.id, change.version)
    change.write(Kind.ACTIVATED, {"state": State.ACTIVE}, logged)


@transaction.atomic
def deactivate(source: Source, actor: str) -> None:
    """`active` → `inactive`: the timer stops. Raises Stale."""
    change = _expecting(source, actor, State.ACTIVE)
    timers.stop(source.id)
    change.write(Kind.DEACTIVATED, {"state": State.INACTIVE})


def start_timer(source: Source) -> None:
    """Set the timer of an active source going, unless it goes already: intervals at once."""
    if source.state != State.ACTIVE:
        raise Stale(source.id)
    timers.start(source.id, app_now())


@transaction.atomic
def created(source: Source, *, active: bool) -> None:
    """`creating` → `active` (with its timer) or `inactive`: the hooks have succeeded."""
    change = _expecting(source, SYSTEM, State.CREATING)
    state, kind = (State.ACTIVE, Kind.ACTIVATED) if active else (State.INACTIVE, Kind.DEACTIVATED)
    change.write(kind, {"state": state})
    if active:
        timers.start(source.id, change.now)


@transaction.atomic
def failed(source: Source) -> None:
    """`creating` → `failed`: nothing is kept but the tombstone and its ledger."""
    change = _expecting(source, SYSTEM, State.CREATING)
    change.write(Kind.FAILED, _gone(State.FAILED), timers.remove(source.id))


@transaction.atomic
def delete(source: Source, actor: str) -> None:
    """`active` or `inactive` → `deleted`: endpoint, secrets and timer go, the tombstone stays."""
    change = _expecting(source, actor, State.ACTIVE, State.INACTIVE)
    fields = _gone(State.DELETED) | {"deleted_at": change.now}
    change.write(Kind.DELETED, fields, timers.remove(source.id))


def _expecting(source: Source, actor: str, *states: Source.State) -> _Change:
    if source.state not in states:
        raise Stale(source.id)
    return _Change(source, actor)


def _gone(state: Source.State) -> dict[str, Any]:
    return {"state": state, "endpoint_key": None, "secret_props": {}}
