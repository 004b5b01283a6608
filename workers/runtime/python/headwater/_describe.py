"""What a component class says of itself, in the words of the API (`configurable_props`)."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

from ._errors import ComponentError, NoComponent
from ._props import Declared, Prop
from ._source import Dedupe, Source

HOOKS = {"deploy": "on_deploy", "activate": "on_activate", "deactivate": "on_deactivate"}
_TAKEN = {*dir(Source), "run", "platform", *HOOKS.values()}


def find(module: ModuleType) -> type[Source]:
    """The module's component: `__component__`, else its one public subclass of Source."""
    named = getattr(module, "__component__", None)
    if named is not None:
        if isinstance(named, type) and issubclass(named, Source):
            return named
        raise ComponentError("__component__ must be a subclass of Source")
    found = [
        value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, Source)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    ]
    if len(set(found)) == 1:
        return found[0]
    if not found:
        raise NoComponent("no component: declare one subclass of headwater.Source")
    names = ", ".join(sorted({value.__name__ for value in found}))
    raise ComponentError(f"several components ({names}): name one with __component__ = …")


def declared(component: type[Source]) -> dict[str, Declared]:
    """Props in order of declaration, those of base classes first."""
    props: dict[str, Declared] = {}
    for base in reversed(component.__mro__):
        for name, value in vars(base).items():
            if isinstance(value, Declared):
                props[name] = value
            elif name in props:
                del props[name]
    return props


def describe(component: type[Source]) -> dict[str, Any]:
    """The `description` of a `loaded` frame. ComponentError names what cannot work."""
    if not _is_method(component, "run"):
        raise ComponentError(f"{component.__name__} has no run method")
    props = declared(component)
    texts = {name: _text(component, name) for name in ("name", "key", "version", "description")}
    if not texts["name"]:
        raise ComponentError(f"{component.__name__} has no name")
    return {
        "name": texts["name"],
        **({"key": texts["key"]} if texts["key"] is not None else {}),
        "version": texts["version"] or "",
        **({"description": texts["description"]} if texts["description"] is not None else {}),
        "type": getattr(component, "type", "source"),
        **_dedupe(component),
        "props": [_listing(component, name, prop, props) for name, prop in props.items()],
        "hooks": [hook for hook, name in HOOKS.items() if _is_method(component, name)],
    }


def _text(component: type[Source], name: str) -> str | None:
    value = getattr(component, name)
    if value is not None and not isinstance(value, str):
        raise ComponentError(f"{name} must be text, not {type(value).__name__}")
    return value


def _dedupe(component: type[Source]) -> dict[str, str]:
    if component.dedupe is None:
        return {}
    try:
        return {"dedupe": str(Dedupe(component.dedupe))}
    except ValueError:
        raise ComponentError(
            f"dedupe must be unique, greatest or last, not {component.dedupe!r}"
        ) from None


def _is_method(component: type[Source], name: str) -> bool:
    value = getattr(component, name, None)
    if value is not None and not callable(value):
        raise ComponentError(f"{name} must be a method")
    if inspect.isgeneratorfunction(value) or inspect.isasyncgenfunction(value):
        raise ComponentError(f"{name} must not yield: nobody would run it. Events go to self.emit")
    return value is not None


def _listing(
    component: type[Source], name: str, prop: Declared, props: dict[str, Declared]
) -> dict[str, Any]:
    if name in _TAKEN or name.startswith("_"):
        raise ComponentError(f"a prop cannot be called {name!r}")
    app = prop.app if isinstance(prop, Prop) else None
    if app is not None and not any(isinstance(other, app) for other in props.values()):
        raise ComponentError(f"{name}: the component declares no {app.__name__} app")
    return prop.listing(component) | {"name": name}
