"""What an operation on a source does, step by step (component specification 6). Pure.

    create                        deploy, activate             a failing hook: nothing is kept
    create inactive               deploy
    update of an active source    deactivate (old), exchange, activate (new)
      … that deactivates it       stop, deactivate (old), exchange
      … of an inactive source     exchange
      … that activates it         exchange, open, activate (new)
    toggles                       stop, deactivate / open, activate
    delete                        deactivate when active

`stop` ends timers and endpoint before `deactivate`; `open` lets the endpoint answer before
`activate`, since providers call it while they are told of it. Steps of a hook that the code does
not have fall away. A failing `deactivate` is noted and passed over, except by a deletion that asks
for it; a failing `deploy` or `activate` ends the operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Act = Literal["stop", "exchange", "open", "hook"]
HookName = Literal["deploy", "activate", "deactivate"]


@dataclass(frozen=True, slots=True)
class Step:
    """`hook` is named when `act` is `hook`; it runs with the code and props that are in place."""

    act: Act
    hook: HookName | None = None
    may_fail: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What a sequence depends on. `before`, `after`: active? `changes`: code or props differ."""

    before: bool
    after: bool
    changes: bool
    old_hooks: Sequence[str]
    new_hooks: Sequence[str]


_STOP, _EXCHANGE, _OPEN = Step("stop"), Step("exchange"), Step("open")


def creation(hooks: Sequence[str], active: bool) -> list[Step]:
    steps = [Step("hook", "deploy")]
    if active:
        steps.append(Step("hook", "activate"))
    return [step for step in steps if step.hook in hooks]


def cleanup(hooks: Sequence[str], broken: HookName) -> list[Step]:
    """After a creation broke: a third party may have been told of the source half way."""
    if broken == "activate" and "deactivate" in hooks:
        return [Step("hook", "deactivate", may_fail=True)]
    return []


def update(facts: Facts) -> list[Step]:
    leave = [Step("hook", "deactivate", may_fail=True)]
    enter = [Step("hook", "activate")]
    leave = leave if facts.before and "deactivate" in facts.old_hooks else []
    enter = enter if facts.after and "activate" in facts.new_hooks else []
    if facts.before and facts.after:
        return [*leave, _EXCHANGE, *enter] if facts.changes else [_EXCHANGE]
    if facts.before:
        return [_STOP, *leave, _EXCHANGE]
    return [_EXCHANGE, _OPEN, *enter] if facts.after else [_EXCHANGE]


def deletion(hooks: Sequence[str], active: bool, ignore_hook_errors: bool) -> list[Step]:
    if active and "deactivate" in hooks:
        return [Step("hook", "deactivate", may_fail=ignore_hook_errors)]
    return []


def has_hooks(steps: Sequence[Step]) -> bool:
    return any(step.act == "hook" for step in steps)
