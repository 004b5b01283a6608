"""Dry runs: code is run once with given props, event and store, and nothing of it is kept.

Web side:    operation = rehearsal.start(…); wait; fields = rehearsal.conclude(operation.id)
Worker side: plan = rehearsal.plan(…); the runner runs it in a child; rehearsal.finish(…), or
             rehearsal.refuse(…) when it cannot be run

What the run emitted passes dedupe with an empty memory, as the first run of a new source would.
It counts as an invocation. What the caller gave is encrypted while it waits, and the operation
goes when it is answered.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson
from django.db import transaction

from apps.accounts import services as accounts
from apps.accounts.models import User
from apps.components import services as components
from apps.components.models import Component
from apps.core import errors, secrets
from apps.core.ids import base62
from apps.events import dedupe
from apps.runs import describing, operations, store
from apps.runs.contract import Code, Emit, Entry, LogLine, Outcome, Respond, RunError
from apps.runs.models import Operation
from apps.runs.record import warnings
from apps.sources import props
from apps.sources.resolving import Resolved, resolved

HOOKS = ("deploy", "activate", "deactivate")
# Longer than the id of any real source, so that it names none.
SOURCE_ID = "dc_rehearsal"
_KEY_BYTES = 256


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be run: a saved component, or code in a language (None = find out)."""

    component: Component | None
    code: str | None
    language: str | None
    configured: Mapping[str, Any]
    event: Any
    db: Mapping[str, Any]
    hook: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What the runner runs; `responds` as in `workers.preparing.Prepared`."""

    code: Code
    dedupe: str | None
    entry: Entry
    resolved: Resolved
    event: bytes
    store: bytes
    responds: bool


def start(owner: User, wanted: Wanted) -> Operation:
    """Queue a dry run. Raises ApiError 400 naming the parameter; 413 for code over its limit."""
    if wanted.hook is not None and wanted.hook not in HOOKS:
        raise errors.invalid("hook", f"hook must be one of {', '.join(HOOKS)}")
    for key in wanted.db:
        if not 0 < len(key.encode()) <= _KEY_BYTES:
            raise errors.invalid("db", f"db: a key has 1 to {_KEY_BYTES} bytes")
    if wanted.component is not None:
        subject = {"component_id": wanted.component.id}
        _configured(wanted.component, owner.id, wanted.configured)
    else:
        subject = {"code": components.check_code(wanted.code)}
    given = {"configured": wanted.configured, "event": wanted.event, "db": wanted.db}
    args = {
        **subject,
        "language": wanted.language,
        "hook": wanted.hook,
        "given": secrets.encrypt(given),
    }
    return operations.enqueue("dry_run", owner.id, args)


def plan(
    owner_id: str, args: Mapping[str, Any], described: Mapping[str, Any], code_id: str
) -> Plan:
    """What is to be run. `described` is the runner's description of code that is not saved, loaded
    as `code_id`. Raises ApiError 400, `secrets.Undecipherable`."""
    if "component_id" in args:
        component = Component.objects.get(id=args["component_id"])
    else:
        facts = describing.read(dict(described))
        component = Component(
            id=code_id,
            code=args["code"],
            language=described["language"],
            dedupe=facts.dedupe,
            props=facts.props,
            hooks=facts.hooks,
            packages_id=described.get("packages"),
        )
    hook = args["hook"]
    if hook is not None and hook not in component.hooks:
        raise errors.invalid("hook", f"hook: the component has no hook {hook}")
    given: Any = secrets.decrypt(args["given"])
    return Plan(
        code=component.loadable(owner_id),
        dedupe=component.dedupe,
        entry=cast(Entry, hook or "run"),
        resolved=_configured(component, owner_id, given["configured"]),
        event=orjson.dumps(None if hook else given["event"]),
        store=orjson.dumps(given["db"]),
        responds=any(prop.get("customResponse") for prop in component.props),
    )


def _configured(component: Component, owner_id: str, given: Mapping[str, Any]) -> Resolved:
    source = props.trial(component, owner_id, given, partial=False)
    # An address of the right form behind which there is nothing.
    source.endpoint_key = base62(32).lower()
    return resolved(source, component)


def finish(operation_id: int, owner_id: str, plan: Plan, outcome: Outcome) -> bool:
    """End the operation with what the run did. False: nobody waits for it any more."""
    sifted = dedupe.sift(
        plan.dedupe, dedupe.Memory(), outcome.emits, succeeded=outcome.error is None
    )
    ended_ms = outcome.started_ms + outcome.duration_ms
    lines = [*outcome.logs, *warnings(sifted, ended_ms)]
    suppressed = [
        _emitted(emit, b',"reason":"%b"' % why.encode()) for emit, why in sifted.suppressed
    ]
    # Texts, since payloads are never encoded anew (design F13).
    fields = {
        "emits": _array(_emitted(emit) for emit in sifted.passed),
        "suppressed": _array(suppressed),
        "logs": orjson.dumps([_line(line) for line in lines]),
        "db": store.apply(plan.store, outcome.store),
        "response": orjson.dumps(_response(outcome.response) if plan.responds else None),
        "error": orjson.dumps(_error(outcome.error)),
        "duration_ms": orjson.dumps(outcome.duration_ms),
    }
    with transaction.atomic():
        accounts.note_usage(owner_id, outcome.duration_ms)
        return operations.finish(operation_id, {name: f.decode() for name, f in fields.items()})


def conclude(operation_id: int) -> dict[str, bytes]:
    """The answer's fields as JSON texts. Raises ApiError: what the run was refused for; 503 when
    no runner has done it in time."""
    operation = operations.take(operation_id)
    if operation is None:
        raise errors.unavailable("no worker did the dry run in time; try again")
    if (refused := operations.refusal(operation)) is not None:
        raise refused
    return {name: text.encode() for name, text in (operation.result or {}).items()}


def _array(items: Any) -> bytes:
    return b"[%b]" % b",".join(items)


def _emitted(emit: Emit, more: bytes = b"") -> bytes:
    metadata = orjson.dumps({"name": emit.channel, **emit.meta})
    return b'{"event":%b,"metadata":%b%b}' % (emit.payload, metadata, more)


def _line(line: LogLine) -> dict[str, Any]:
    return {"ts": line.at_ms, "level": line.level, "msg": line.message}


def _response(response: Respond | None) -> dict[str, Any] | None:
    if response is None:
        return None
    try:
        body, encoding = response.body.decode(), "text"
    except UnicodeDecodeError:
        body, encoding = base64.b64encode(response.body).decode(), "base64"
    return {
        "status": response.status,
        "headers": response.headers,
        "body": body,
        "encoding": encoding,
    }


def _error(error: RunError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    names = ("code", "name", "message", "stack")
    return {name: getattr(error, name) for name in names}
