"""Makers for tests of services: users, components, sources, as the services make them."""

from __future__ import annotations

from typing import Any

from apps.accounts import services as accounts
from apps.accounts.models import User
from apps.components import services as components
from apps.components.description import validate
from apps.components.models import Component
from apps.runs import lifecycle
from apps.runs.contract import Description
from apps.runs.models import Operation
from apps.sources.models import Source, Timer
from apps.sources.props import check_timer_default

TIMER = {"name": "timer", "type": "$.interface.timer"}
HTTP = {"name": "http", "type": "$.interface.http"}


def user(username: str = "ada") -> User:
    return accounts.create_user(username)


def described(**changes: Any) -> Description:
    facts: dict[str, Any] = {
        "name": "Ticker", "key": None, "version": "", "description": None,
        "type": "source", "dedupe": None, "props": [], "hooks": [],
    }  # fmt: skip
    return validate(Description(**(facts | changes)), check_timer_default)


def component(owner: User | None, *props: dict[str, Any], **changes: Any) -> Component:
    code = changes.pop("code", "# code")
    return components.create(owner, described(props=list(props), **changes), code, "python")


def source(owner: User, made_of: Component | None = None, **changes: Any) -> Source:
    """A source without hooks: made at once."""
    wanted = {"name": None, "configured_props": {}} | changes
    started = lifecycle.create(owner, made_of or component(owner, TIMER), **wanted)
    assert started.operation_id is None
    return started.source


def claim(operation_id: int | None) -> int:
    """What a runner does first."""
    assert operation_id is not None
    assert Operation.objects.filter(id=operation_id, state="queued").update(state="running") == 1
    return operation_id


def timer(of: Source) -> Timer:
    return Timer.objects.get(source_id=of.id)


def kinds(of: Source) -> list[str]:
    return list(of.changes.order_by("version").values_list("kind", flat=True))
