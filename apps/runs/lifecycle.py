"""The life of a source as its owner asks for it: create, update, delete, run now (web side).

What needs component code is done by a runner under the source's lease; the row of `Operation`
carries the work over. Everything else is done at once, in the caller's transaction.

    started = lifecycle.create(...)              # or update, delete
    if started.operation_id is not None:         # wait, holding no thread (F8)
        await queue.wait_operation(started.operation_id, seconds)
        lifecycle.withdraw(started.operation_id) # on time-out: True = nothing was changed
    source = lifecycle.conclude(started)         # or raises ApiError: hook_failed, conflict …

Describing code (`POST /v1/components`, code in `POST /v1/sources`) is `apps.runs.describing`:
`start_create(...)`, wait, `finish_create(operation_id) -> Component`.

The worker side of an operation is `apps.runs.conduct`; its docstring is the dialogue.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from typing import Any

from django.db import connection, transaction

from apps.accounts import connected
from apps.accounts.models import User
from apps.components.description import title
from apps.components.models import Component
from apps.core import errors
from apps.runs import conduct, listening, mailbox, operations, sequence
from apps.runs.models import Operation
from apps.sources import activity, props, services
from apps.sources.keyless import keyless_of
from apps.sources.models import Source

MAX_LIMITS = {"concurrency": 64, "rate_limit": 1_000_000}
LISTED = (Source.State.ACTIVE, Source.State.INACTIVE)


@dataclass(frozen=True, slots=True)
class Started:
    """A change of a source. Without `operation_id` it is done; with it, wait and `conclude`."""

    source: Source
    operation_id: int | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What `PUT /v1/sources/{id}` asks for; None = left as it is (REST specification 5.4).

    `limits` holds those that are given of `concurrency` (1..64) and `rate_limit` (null = none).
    """

    component: Component | None = None
    configured_props: dict[str, Any] | None = None
    name: str | None = None
    active: bool | None = None
    limits: services.Limits | None = None


def create(
    owner: User,
    component: Component,
    *,
    name: str | None,
    configured_props: dict[str, Any],
    active: bool = True,
    emit_on_deploy: bool = True,
    limits: services.Limits | None = None,
) -> Started:
    """Deploy a component. Raises ApiError 400 naming the prop. `creating` until hooks have run."""
    configured = props.configure(
        component.props,
        configured_props,
        app_of=connected.app_of(owner.id),
        keyless=keyless_of(component),
    )
    limits = _limits(limits)
    steps = sequence.creation(component.hooks, active)
    state = _state(active) if not steps else Source.State.CREATING
    with transaction.atomic():
        source = services.insert(
            owner, component, configured, name=name, state=state, limits=limits
        )
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO actor (source_id) VALUES (%s)", [source.id])
            cursor.execute("INSERT INTO component_state (source_id) VALUES (%s)", [source.id])
        listening.apply_rules(owner.id, source.id)
        if not steps:
            return Started(source)
        args = {"active": active, "emit_on_deploy": emit_on_deploy, "actor": owner.id}
        return _start("create", source, steps, args)


def update(source: Source, changes: Changes, actor: str) -> Started:
    """Change a source; `actor` is a `u_` id. 400 naming the prop; 409 while another change runs.

    What needs no component code is done at once, unless a run of the source is going on: then it
    waits for it like the rest (F17).
    """
    if changes.name is not None:
        title(changes.name, "name")
    limits = _limits(changes.limits)
    with transaction.atomic():
        source = locked(source.id)
        configured = _configured(source, changes)
        before = source.state == Source.State.ACTIVE
        after = before if changes.active is None else changes.active
        if configured is None and before == after:
            wanted = services.Exchange(name=changes.name, limits=limits)
            services.exchange(source, wanted, actor)
            return Started(source)
        component = changes.component or source.component
        args = {
            "actor": actor,
            "after": after,
            "component_id": component.id,
            "configured": None if configured is None else _stored(configured),
            "name": changes.name,
            "limits": limits,
        }
        facts = sequence.Facts(
            before, after, configured is not None, source.component.hooks, component.hooks
        )
        steps = sequence.update(facts)
        if sequence.has_hooks(steps) or not _is_free(source.id):
            return _start("update", source, steps, args)
        for step in steps:
            conduct.act(source, step.act, args)
        if after:
            services.start_timer(source)
            conduct.wake(source.id)
        return Started(source)


def delete(source: Source, actor: str, ignore_hook_errors: bool = True) -> Started:
    """Remove a source with its timer, endpoint, state and queued runs; `deactivate` runs first.

    Its events stay in the ledger of events until their retention ends, seen by nobody.
    """
    with transaction.atomic():
        source = locked(source.id)
        active = source.state == Source.State.ACTIVE
        steps = sequence.deletion(source.component.hooks, active, ignore_hook_errors)
        if steps or not _is_free(source.id):
            return _start("delete", source, steps, {"actor": actor})
        services.delete(source, actor)
        conduct.discard_rows(source.id)
        return Started(source)


def creation(operation_id: int) -> Started | None:
    """The creation that this operation carries out; None: it is another one, or was withdrawn."""
    found = Operation.objects.filter(id=operation_id, kind="create").exclude(state="cancelled")
    operation = found.first()
    if operation is None or operation.source_id is None:
        return None
    return Started(Source.objects.get(id=operation.source_id), operation_id)


def withdraw(operation_id: int) -> bool:
    """Take back an operation that no runner has begun. True: nothing was or will be changed.

    A source that was to be created is gone then.
    """
    with transaction.atomic():
        if not operations.cancel(operation_id):
            return False
        operation = Operation.objects.get(id=operation_id)
        if operation.kind == "create" and operation.source_id is not None:
            services.failed(Source.objects.get(id=operation.source_id))
            conduct.discard_rows(operation.source_id)
        return True


def conclude(started: Started) -> Source:
    """The source after the operation has ended.

    Raises ApiError: 400 `hook_failed`; 409 when it was withdrawn; 503 when it is still running.
    """
    if started.operation_id is None:
        return started.source
    operation = Operation.objects.get(id=started.operation_id)
    if operation.state == "done":
        return Source.objects.select_related("component").get(id=started.source.id)
    if operation.state == "failed":
        raise _failure(operation.result)
    if operation.state == "cancelled":
        raise errors.conflict("the source is busy; nothing was changed")
    raise errors.unavailable("the change is still going on; read the source to see how it ended")


def run_now(source: Source, event: bytes, actor: str, request_id: str | None = None) -> None:
    """Queue a manual run with `event` (compact JSON). 400 when the source is inactive.

    `actor` is the `u_` id of who asks. The same `request_id` twice is one run; without one, every
    call is a run.
    """
    with transaction.atomic():
        # The lock keeps a deletion from passing between the look and the row (F17).
        source = locked(source.id, alone=False)
        if source.state != Source.State.ACTIVE:
            raise errors.bad_request("source_inactive", "the source is inactive: activate it first")
        made = mailbox.enqueue(source.id, "manual", request_id or uuid.uuid4().hex, event)
        activity.note(activity.Kind.RUN_NOW, source.id, actor, run_id=made)


def visible(owner: User, source_id: str) -> Source:
    """The owner's source; 404 for unknown, foreign, deleted, failed and `creating` ones."""
    found = None
    if "\x00" not in source_id:
        found = (
            Source.objects.select_related("component")
            .filter(id=source_id, owner=owner, state__in=LISTED)
            .first()
        )
    if found is None:
        raise errors.not_found()
    return found


# --- parts -----------------------------------------------------------------------------------


def _state(active: bool) -> Source.State:
    return Source.State.ACTIVE if active else Source.State.INACTIVE


def _limits(given: services.Limits | None) -> dict[str, int | None]:
    """Checked. Raises ApiError 400 naming the limit."""
    limits = dict(given or {})
    for name, value in limits.items():
        if value is None and name == "rate_limit":
            continue
        most = MAX_LIMITS[name]
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise errors.invalid(name, f"{name} must be between 1 and {most}")
    return limits


def locked(source_id: str, *, alone: bool = True) -> Source:
    """The source, its row locked. 404 when it is gone; 409 when another change is under way."""
    source = (
        Source.objects.select_for_update(no_key=True, of=("self",))
        .select_related("component")
        .filter(id=source_id, state__in=LISTED)
        .first()
    )
    if source is None:
        raise errors.not_found()
    going_on = Operation.objects.filter(source_id=source_id, state__in=["queued", "running"])
    if alone and going_on.exists():
        raise errors.conflict("another change of this source is under way")
    return source


def _is_free(source_id: str) -> bool:
    """Whether no run is going on; and none begins before this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT token FROM actor WHERE source_id = %s FOR NO KEY UPDATE", [source_id]
        )
        row = cursor.fetchone()
    # An expired lease is not a free one: its holder may be alive and slow.
    return row is None or row[0] == 0


def _configured(source: Source, changes: Changes) -> props.Configured | None:
    """The new props (merged per prop); None when neither code nor props change."""
    component = changes.component or source.component
    given = changes.configured_props or {}
    if component.id == source.component_id and not given:
        return None
    configured = props.configure(
        component.props,
        given,
        props.previous_of(source),
        app_of=connected.app_of(source.owner_id),
        keyless=keyless_of(component),
    )
    unchanged = (
        component.id == source.component_id
        and configured.plain == source.configured_props
        and configured.secrets == source.secret_props
    )
    return None if unchanged else configured


def _stored(configured: props.Configured) -> dict[str, Any]:
    return {
        "plain": configured.plain,
        "secrets": configured.secrets,
        "needs_endpoint": configured.needs_endpoint,
    }


def _start(
    kind: operations.Kind, source: Source, steps: list[sequence.Step], args: dict[str, Any]
) -> Started:
    args["steps"] = [asdict(step) for step in steps]
    operation = operations.enqueue(kind, source.owner_id, args, source.id)
    return Started(source, operation.id)


def _failure(result: dict[str, Any] | None) -> errors.ApiError:
    """The error of a failed operation, as `apps.runs.conduct` left it."""
    result = result or {}
    if "refused" in result:
        status, code, message = result["refused"]
        return errors.ApiError(status, code, message)
    error = result.get("error") or {}
    message = str(error.get("message") or "the operation failed")
    if "hook" in result:
        return errors.hook_failed(result["hook"], message, name=error.get("name"))
    return errors.unavailable(message)
