"""The choices of a prop: the component's own function is asked (component specification 3.4).

Web side:    operation = asking.start(…); wait; page = asking.conclude(operation.id)
Worker side: code, call = asking.question(…); the runner asks a child; asking.answer(…)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from apps.accounts.models import User
from apps.components.models import Component
from apps.core import errors, secrets
from apps.runs import operations
from apps.runs.contract import Code, Options, OptionsCall, RunError
from apps.runs.models import Operation
from apps.sources import props
from apps.sources.models import Source
from apps.sources.resolving import Resolved, resolved

SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Question:
    """One page of the choices of the prop `name`."""

    name: str
    configured: Mapping[str, Any]
    page: int = 0
    prev_context: Mapping[str, Any] | None = None
    query: str | None = None


def start(owner: User, component: Component, asked: Question) -> Operation:
    """Queue the question. 404 for an unknown prop; 400 for one without an options function, and
    for `configured_props` that could not be a part of a source's."""
    prop = next((prop for prop in component.props if prop["name"] == asked.name), None)
    if prop is None:
        raise errors.not_found()
    if not prop.get("remoteOptions"):
        raise errors.invalid("name", f"name: the prop {asked.name} has no options function")
    source = props.trial(component, owner.id, asked.configured, partial=True)
    args = {
        "component_id": component.id,
        "name": asked.name,
        "plain": source.configured_props,
        "secrets": source.secret_props,
        "page": asked.page,
        # It may hold whatever the function was given: a token of its provider, for one.
        "prev_context": secrets.encrypt(asked.prev_context or {}),
        "query": asked.query if prop.get("useQuery") else None,
    }
    return operations.enqueue("options", owner.id, args)


def question(
    operation_id: int, owner_id: str, args: Mapping[str, Any]
) -> tuple[Code, OptionsCall, Resolved]:
    """What a child is to be asked, and what its props become when the accounts are opened. Raises
    `secrets.Undecipherable`."""
    component = Component.objects.get(id=args["component_id"])
    source = Source(
        owner_id=owner_id,
        component=component,
        configured_props=args["plain"],
        secret_props=args["secrets"],
    )
    call = OptionsCall(
        call_id=f"op_{operation_id}",
        name=args["name"],
        page=args["page"],
        prev_context=orjson.dumps(secrets.decrypt(args["prev_context"])),
        query=args["query"],
    )
    return component.loadable(owner_id), call, resolved(source, component)


def answer(operation_id: int, page: Options, error: RunError | None) -> bool:
    """End the operation. False: nobody waits for it any more."""
    if error is None:
        result = {"options": page.items, "context": page.context}
        return operations.finish(operation_id, result)
    failed = errors.bad_request("options_failed", error.message or error.name, name=error.name)
    return operations.refuse(operation_id, failed)


def conclude(operation_id: int) -> dict[str, Any]:
    """The page: `options` and `context`. Raises ApiError: 400 with the function's message; 503
    when no runner has answered in time."""
    operation = operations.take(operation_id)
    if operation is None:
        raise errors.unavailable("no worker answered in time; try again")
    if (refused := operations.refusal(operation)) is not None:
        raise refused
    result: dict[str, Any] = operation.result
    return result
