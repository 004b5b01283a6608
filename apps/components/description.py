"""What a component says of itself, checked (component specification 2 and 3). Pure.

A `Description` comes from a child process that ran untrusted code: nothing in it is believed.
`validate` returns it in the one form that the platform stores, or raises ApiError 400 naming the
attribute.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson

from apps.core import errors
from apps.runs.contract import Description

TIMER = "$.interface.timer"
HTTP = "$.interface.http"
APPHOOK = "$.interface.apphook"
STORE = "$.service.db"
APP = "app"

# Type of the prop → type of its value, with the early and the app-specific spellings (3.1).
INPUTS = {
    name: name for base in ("string", "integer", "boolean") for name in (base, f"{base}[]")
} | {"object": "object"}
_ALIASES = {"number": "integer", "number[]": "integer[]"}
_PICKER = re.compile(r"\$\.(?:airtable|discord)\.[A-Za-z]+(\[\])?\Z")
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,127}\Z")
# Names that would reach the object model of the language instead of a value.
RESERVED = frozenset(
    {
        "__proto__", "constructor", "prototype", "hasOwnProperty", "toString", "valueOf",
        "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "run", "$emit",
    }
)  # fmt: skip
DEDUPES = ("unique", "greatest", "last")
HOOKS = ("deploy", "activate", "deactivate")
MAX_PROPS = 200
# Marks that turn the direction of what follows: a name could pose as another.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

# Checks a timer's default: `apps.sources.schedule` is above this package, so it is handed in.
TimerCheck = Callable[[Any], None]


def input_type(prop_type: str) -> str | None:
    """The type of an input's value (`string`, `integer[]`, …); None when it is not an input."""
    if match := _PICKER.match(prop_type):
        return "string[]" if match[1] else "string"
    return INPUTS.get(prop_type)


def storable(text: Any, parameter: str, limit: int) -> str:
    """`text` itself, or 400: not text, over `limit` characters, NUL, half a surrogate pair."""
    if not isinstance(text, str):
        raise errors.invalid(parameter, f"{parameter} must be text")
    if len(text) > limit:
        raise errors.invalid(parameter, f"{parameter} is longer than {limit} characters")
    if "\x00" in text:
        raise errors.invalid(parameter, f"{parameter} must not contain the NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise errors.invalid(parameter, f"{parameter} is not valid Unicode text") from None
    return text


def title(text: Any, parameter: str) -> str:
    """A name as people see it, or 400: empty, over 400 characters, control or direction marks."""
    name = storable(text, parameter, 400)
    if not name.strip():
        raise errors.invalid(parameter, f"{parameter} must not be empty")
    if any(unicodedata.category(mark) in ("Cc", "Zl", "Zp") or mark in _BIDI for mark in name):
        raise errors.invalid(parameter, f"{parameter} must not contain control or direction marks")
    return name


def validate(description: Description, check_timer: TimerCheck | None = None) -> Description:
    """The same description in stored form. Raises ApiError 400 naming the attribute.

    `check_timer` raises ApiError when the value of a timer's `default` is out of bounds.
    """
    if description.type not in ("", "source"):
        kind = str(description.type)[:40]
        raise errors.invalid("type", f"type must be source: {kind!r} components cannot be deployed")
    if not description.name:
        raise errors.invalid("name", "name is missing: a component needs one")
    if description.dedupe is not None and description.dedupe not in DEDUPES:
        raise errors.invalid("dedupe", "dedupe must be unique, greatest or last")
    if not isinstance(description.hooks, list):  # untrusted, whatever its type says
        raise errors.invalid("hooks", "hooks must be a map of functions")
    unknown = [hook for hook in description.hooks if hook not in HOOKS]
    if unknown:
        raise errors.invalid("hooks", f"hooks.{str(unknown[0])[:40]} is not a hook of a source")
    return replace(
        description,
        name=title(description.name, "name"),
        key=_optional(description.key, "key", 200),
        version=storable(description.version or "", "version", 100),
        description=_optional(description.description, "description", 20_000),
        type="source",
        props=_props(description.props, check_timer),
        hooks=[hook for hook in HOOKS if hook in description.hooks],
    )


def _optional(text: Any, parameter: str, limit: int) -> str | None:
    return None if text is None or text == "" else storable(text, parameter, limit)


def _props(props: Any, check_timer: TimerCheck | None) -> list[dict[str, Any]]:
    if not isinstance(props, list) or len(props) > MAX_PROPS:
        raise errors.invalid("props", f"props must be at most {MAX_PROPS} definitions")
    seen: set[str] = set()
    found: list[dict[str, Any]] = []
    for given in props:
        prop = _prop(given, check_timer)
        if prop["name"] in seen:
            raise errors.invalid(f"props.{prop['name']}", f"props.{prop['name']} is declared twice")
        seen.add(prop["name"])
        found.append(prop)
    apps = [prop["name"] for prop in found if prop["type"] == APP]
    for prop in found:
        if prop["type"] == APPHOOK and prop["appProp"] not in apps:
            where = f"props.{prop['name']}"
            raise errors.invalid(where, f"{where}: appProp must be the name of an app prop")
    for interface in (TIMER, HTTP):
        named = [prop["name"] for prop in found if prop["type"] == interface]
        if len(named) > 1:
            where = f"props.{named[1]}"
            raise errors.invalid(where, f"{where}: a source has one {interface}")
    return found


def _prop(given: Any, check_timer: TimerCheck | None) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise errors.invalid("props", "props must be a map of definitions")
    where = f"props.{_prop_name(given.get('name'))}"
    try:
        prop: dict[str, Any] = orjson.loads(orjson.dumps(given))
    except (TypeError, ValueError):
        raise errors.invalid(where, f"{where} holds what JSON cannot express") from None
    if b"\\u0000" in orjson.dumps(prop):
        raise errors.invalid(where, f"{where} must not contain the NUL character")
    _check_type(prop, where)
    _check_texts(prop, where)
    if input_type(prop["type"]) is not None:
        _check_input(prop, where)
    if prop["type"] == TIMER and prop.get("default") is not None and check_timer is not None:
        try:
            check_timer(prop["default"])
        except errors.ApiError as refused:
            raise errors.invalid(where, f"{where}.default: {refused.message}") from None
    return prop


def _prop_name(name: Any) -> str:
    if not isinstance(name, str) or not _NAME.match(name):
        raise errors.invalid("props", f"props: {str(name)[:80]!r} is not a name of a prop")
    if name in RESERVED or (name.startswith("__") and name.endswith("__")):
        raise errors.invalid(f"props.{name}", f"props.{name}: this name is reserved")
    return name


def _check_type(prop: dict[str, Any], where: str) -> None:
    """Put aliases in their place; refuse what a source cannot have."""
    kind = prop.get("type")
    if not isinstance(kind, str):
        raise errors.invalid(where, f"{where} has no type")
    if kind == "secret":
        prop["type"], prop["secret"] = "string", True
    prop["type"] = kind = _ALIASES.get(prop["type"], prop["type"])
    if kind == APPHOOK:
        _check_apphook(prop, where)
    elif kind == APP:
        if not isinstance(prop.get("app"), str) or not prop["app"]:
            raise errors.invalid(where, f"{where}: an app prop needs the text attribute app")
    elif kind not in (TIMER, HTTP, STORE) and input_type(kind) is None:
        raise errors.invalid(where, f"{where}: {kind[:60]!r} is not a type of a prop")


def _check_apphook(prop: dict[str, Any], where: str) -> None:
    names = prop.get("eventNames", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise errors.invalid(where, f"{where}.eventNames must be a list of names")
    if not isinstance(prop.get("appProp"), str):
        raise errors.invalid(where, f"{where}.appProp must be the name of an app prop")


def _check_texts(prop: dict[str, Any], where: str) -> None:
    if "propDefinition" in prop:
        raise errors.invalid(where, f"{where}: propDefinition could not be resolved")
    for attribute in ("label", "description"):
        if not isinstance(prop.get(attribute, ""), str | None):
            raise errors.invalid(where, f"{where}.{attribute} must be text")
    for attribute in ("optional", "secret", "useQuery", "disabled", "hidden", "customResponse"):
        if not isinstance(prop.get(attribute, False), bool | None):
            raise errors.invalid(where, f"{where}.{attribute} must be true or false")


def _check_input(prop: dict[str, Any], where: str) -> None:
    kind = input_type(prop["type"])
    if prop.get("secret") and kind not in ("string", "string[]"):
        raise errors.invalid(where, f"{where}.secret is for strings only")
    for bound in ("min", "max"):
        value = prop.get(bound)
        if value is None:
            continue
        if kind not in ("integer", "integer[]"):
            raise errors.invalid(where, f"{where}.{bound} is for integers only")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise errors.invalid(where, f"{where}.{bound} must be a number")
    if prop.get("options") is not None:
        _check_options(prop["options"], where)


def _check_options(options: Any, where: str) -> None:
    if not isinstance(options, list):
        raise errors.invalid(where, f"{where}.options must be a list")
    for option in options:
        value = option.get("value") if isinstance(option, dict) else option
        if value is None or not isinstance(value, str | int | float | bool):
            raise errors.invalid(where, f"{where}.options must hold scalars or label and value")


def option_values(prop: dict[str, Any]) -> list[Any] | None:
    """The values that static options allow; None = any."""
    options = prop.get("options")
    if not isinstance(options, list):
        return None
    return [option.get("value") if isinstance(option, dict) else option for option in options]
