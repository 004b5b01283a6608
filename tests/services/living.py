"""What the tests of a source's life share: hooks, and a stand for the runner's side."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apps.accounts.models import User
from apps.components.models import Component
from apps.runs import conduct, lifecycle
from apps.runs.contract import RunError
from apps.runs.lifecycle import Started
from apps.sources.models import Source
from tests.services import making

ALL = ["deploy", "activate", "deactivate"]
BROKEN = RunError("TypeError", "no such hook here")


def hooked(
    owner: User, *props: dict[str, Any], hooks: Iterable[str] = ALL, **more: Any
) -> Component:
    return making.component(owner, making.TIMER, *props, hooks=list(hooks), **more)


def drive(started: Started, **fail: RunError) -> list[conduct.Hook]:
    """Be the runner: take every hook, failing the ones named. Returns the hooks in order."""
    operation_id = making.claim(started.operation_id)
    ran = []
    while (hook := conduct.next_hook(operation_id)) is not None:
        ran.append(hook)
        assert conduct.record(operation_id, hook, fail.get(hook.entry))
    return ran


def create(owner: User, made_of: Component, **changes: Any) -> Started:
    return lifecycle.create(owner, made_of, **({"name": None, "configured_props": {}} | changes))


def deployed(owner: User, made_of: Component, **changes: Any) -> Source:
    started = create(owner, made_of, **changes)
    drive(started)
    return lifecycle.conclude(started)


def entries(hooks: list[conduct.Hook]) -> list[str]:
    return [hook.entry for hook in hooks]


def now(source: Source) -> Source:
    return Source.objects.select_related("component").get(id=source.id)
