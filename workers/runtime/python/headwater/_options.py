"""Choices that a prop offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Option:
    """One choice: `label` is shown, `value` is stored and is all that the component sees."""

    label: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class OptionsPage:
    """One page of choices; `context` comes back as `ctx.prev_context` with the next request.

    An empty page ends the list.
    """

    options: Sequence[Option | Scalar]
    context: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class OptionsContext:
    """What an options function is given. `page` counts from 0; `prev_context` is `{}` there.

    query   the text typed so far, when the prop has `use_query`
    inputs  what the `inputs` of `use(…)` gave for the props configured so far
    """

    page: int = 0
    prev_context: Mapping[str, Any] = field(default_factory=dict)
    query: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)


def listed(option: Option | Scalar) -> Any:
    """A static option as API clients read it."""
    if isinstance(option, Option):
        return {"label": option.label, "value": option.value}
    return option
