"""Answering a call for options: the function that a prop names, with the right `self`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ._describe import declared
from ._errors import JsonError
from ._options import Option, OptionsContext, OptionsPage
from ._props import Prop
from ._source import Source


def call(
    instance: Source,
    name: str,
    page: int,
    prev_context: Mapping[str, Any],
    query: str | None,
) -> Any:
    """What the options function of the prop answers; it may be awaitable.

    `self` of a function that the component declares is the component with the values chosen so
    far; of one that came with an app's definition it is the app, which sees no component.
    LookupError when the prop has no such function.
    """
    props = declared(type(instance))
    prop = props.get(name)
    if not isinstance(prop, Prop):
        raise LookupError(f"{name} has no options function")
    function = prop.attributes.get("options")
    if not callable(function):
        raise LookupError(f"{name} has no options function")
    inputs = prop.inputs(instance) if callable(prop.inputs) else prop.inputs
    context = OptionsContext(page, prev_context, query, dict(inputs or {}))
    return _call(function, _owner(instance, prop, props), context)


def _owner(instance: Source, prop: Prop[Any], props: Mapping[str, Any]) -> object:
    app = prop.app
    if app is None or prop.attributes["options"] is not prop.app_options:
        return instance
    name = next(name for name, other in props.items() if isinstance(other, app))
    return getattr(instance, name)


def _call(function: Callable[..., Any], owner: object, context: OptionsContext) -> Any:
    return function(owner, context)


def answer(returned: Any) -> dict[str, Any]:
    """The page in the form of the protocol: `{"items": [{label, value}…], "context": …}`.

    JsonError, naming the place, for a choice that is no scalar and no pair of label and value.
    """
    options, context = returned, None
    if isinstance(returned, OptionsPage):
        options, context = returned.options, returned.context
    elif isinstance(returned, Mapping):
        options, context = returned.get("options"), returned.get("context")
    if options is None:
        options = []
    if not isinstance(options, Sequence) or isinstance(options, (str, bytes)):
        raise JsonError(f"options: a list or an OptionsPage, not {type(options).__name__}")
    if context is not None and not isinstance(context, Mapping):
        raise JsonError(f"context: an object, not {type(context).__name__}")
    return {
        "items": [_item(option, f"options[{index}]") for index, option in enumerate(options)],
        "context": context,
    }


def _item(option: object, where: str) -> dict[str, Any]:
    label: object = None
    value = option
    if isinstance(option, Option):
        label, value = option.label, option.value
    elif isinstance(option, Mapping):
        label, value = option.get("label"), option.get("value")
    if isinstance(value, float) and not math.isfinite(value):
        raise JsonError(f"{where}: a value must be finite")
    if not isinstance(value, (str, int, float)):
        raise JsonError(f"{where}: a value must be a scalar, not {type(value).__name__}")
    return {"label": _text(value if label is None else label), "value": value}


def _text(label: object) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)
