"""Values of inputs: type, range, options (component specification 3.2). Pure.

Little is coerced, since values also come from forms: numeric text for integers, `"true"` and
`"false"`, a scalar for a list of one. Everything else is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from apps.components.description import option_values
from apps.core import errors

MAX_SAFE = 2**53 - 1
_WHOLE = re.compile(r"[+-]?[0-9]{1,16}\Z")
_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "an object",
}


def coerce(kind: str, value: Any, name: str, where: str) -> Any:
    """`value` as the type `kind` (`string`, `integer[]`, `object` …). Raises ApiError 400."""
    if kind.endswith("[]"):
        base = kind.removesuffix("[]")
        items = value if isinstance(value, list) else [value]
        return [_scalar(base, item, name, where) for item in items]
    return _scalar(kind, value, name, where)


def _scalar(kind: str, value: Any, name: str, where: str) -> Any:
    found: Any = None
    if kind == "string" and isinstance(value, str):
        found = value
    elif kind == "integer":
        found = _integer(value)
    elif kind == "boolean":
        found = (
            value if isinstance(value, bool) else {"true": True, "false": False}.get(_key(value))
        )
    elif kind == "object" and isinstance(value, dict):
        found = value
    if found is None:
        raise errors.invalid(where, f"{name} must be {_WORDS[kind]}")
    return found


def _key(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _integer(value: Any) -> int | None:
    """Whole numbers that every reader of JSON can hold."""
    is_text = isinstance(value, str) and _WHOLE.match(value)
    if is_text or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_SAFE:
        return None
    return value


def check_bounds(prop: Mapping[str, Any], value: Any, where: str) -> None:
    """`min` and `max`, both inclusive."""
    least, most = prop.get("min"), prop.get("max")
    for number in value if isinstance(value, list) else [value]:
        if least is not None and number < least:
            raise errors.invalid(where, f"{prop['name']} must be at least {least}")
        if most is not None and number > most:
            raise errors.invalid(where, f"{prop['name']} must be at most {most}")


def check_options(prop: Mapping[str, Any], value: Any, where: str) -> None:
    """Static options bind; dynamic ones (`remoteOptions`) do not."""
    allowed = option_values(dict(prop))
    if allowed is None:
        return
    for item in value if isinstance(value, list) else [value]:
        if not any(item == option and type(item) is type(option) for option in allowed):
            raise errors.invalid(where, f"{prop['name']} must be one of its options")
