"""What leaves a component as JSON (component specification 13).

`encode` gives compact UTF-8. datetime → ISO 8601 with offset (a naive one is read as UTC, the zone
every component runs in), date and time → ISO 8601, Decimal → number if a double holds it exactly
as written, else text, UUID and plain enums → text, dataclasses and mappings → object, tuples →
array, NaN and infinities → null. Sets, bytes, circular values and anything else are errors that
name the path; so are more than 256 levels.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from ._errors import JsonError, NestingLimitError

MAX_NESTING = 256
_EXACT_INTEGER = 2**53
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKETS = re.compile(r"[\[\]{}]")
# An integer of so many digits is infinite as a double.
_INFINITE = 309
_STEP = 28
_LONG_NUMBER = re.compile(f"[0-9]{{{_INFINITE}}}")
_LONG_SAMPLE = re.compile(f"[0-9]{{{_INFINITE // _STEP}}}")


def encode(value: object, root: str = "value") -> bytes:
    """`value` as compact UTF-8 JSON. `root` is how error messages call the value itself.

    Lone surrogates are kept as escapes, since UTF-8 has no form for them.
    """
    try:
        text = _fast(value)
    except (TypeError, ValueError, RecursionError):
        text = _fast(_plain(value, root, 0, set()))
    if len(text) >= _INFINITE and _has_long_number(text):
        text = _fast(_plain(value, root, 0, set()))
    if _too_deep(text):
        _plain(value, root, 0, set())
        raise NestingLimitError(f"{root} is nested deeper than {MAX_NESTING} levels")
    return to_utf8(text)


def _has_long_number(text: str) -> bool:
    """Whether there may be one: also true for digits inside a text, where looking closer finds
    nothing. Of few texts more than every 28th character is looked at."""
    return _LONG_SAMPLE.search(text[::_STEP]) is not None and _LONG_NUMBER.search(text) is not None


def to_utf8(text: str) -> bytes:
    """JSON text as UTF-8; lone surrogates become escapes."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return re.sub(
            "[\ud800-\udfff]", lambda found: f"\\u{ord(found.group()):04x}", text
        ).encode()


def header(facts: Mapping[str, Any]) -> bytes:
    """A frame's header: short and made of plain values."""
    return to_utf8(_fast(facts))


_raw_decode = json.JSONDecoder().raw_decode


def decode(text: bytes) -> Any:
    """The value of a JSON text that the platform or `encode` made (no space before it)."""
    return _raw_decode(text.decode())[0]


def scalar(value: object) -> Any:
    """The JSON form of a value that is neither basic nor a container; JsonError if it has none."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Enum):
        return str(value.value)
    raise JsonError(f"{type(value).__name__} cannot become JSON")


def _decimal(value: Decimal) -> int | float | str | None:
    if not value.is_finite():
        return None
    number = float(value)
    if not math.isfinite(number):
        return str(value)
    if number.is_integer() and abs(number) <= _EXACT_INTEGER and value == int(number):
        return int(number)
    return number if Decimal(repr(number)) == value else str(value)


def _default(value: object) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {part.name: getattr(value, part.name) for part in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    return scalar(value)


# One encoder for the process instead of one a call, and no book about circles: those end as a
# RecursionError, upon which the slow way names the path.
_encoder = json.encoder.c_make_encoder(  # type: ignore[attr-defined]  # typeshed leaves it out
    None, _default, json.encoder.encode_basestring, None, ":", ",", False, False, False
)


def _fast(value: object) -> str:
    return "".join(_encoder(value, 0))


def _too_deep(text: str) -> bool:
    # Each level costs two characters, and no text with few brackets can be deep.
    if len(text) <= 2 * MAX_NESTING or text.count("[") + text.count("{") <= MAX_NESTING:
        return False
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub("", text)):
        if bracket in "[{":
            depth += 1
            if depth > MAX_NESTING:
                return True
        else:
            depth -= 1
    return False


def _plain(value: object, path: str, depth: int, above: set[int]) -> Any:
    """The slow way: the same rules, step by step, so that an error can name its path."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return _integer(value, path)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (list, tuple)):
        children: list[tuple[Any, str, Any]] = [
            (index, f"{path}[{index}]", item) for index, item in enumerate(value)
        ]
    elif isinstance(value, Mapping) or (
        dataclasses.is_dataclass(value) and not isinstance(value, type)
    ):
        pairs = value if isinstance(value, Mapping) else _default(value)
        children = [(_key(k, path), f"{path}.{k}", item) for k, item in pairs.items()]
    else:
        try:
            return scalar(value)
        except JsonError as error:
            raise JsonError(f"{path}: {error}") from None
    if id(value) in above:
        raise JsonError(f"{path}: circular, it holds itself")
    if depth >= MAX_NESTING:
        raise NestingLimitError(f"{path[:200]}: deeper than {MAX_NESTING} levels")
    above.add(id(value))
    built = [(key, _plain(item, where, depth + 1, above)) for key, where, item in children]
    above.discard(id(value))
    return [item for _, item in built] if isinstance(value, (list, tuple)) else dict(built)


def _integer(value: int, path: str) -> int:
    try:
        float(value)
    except OverflowError:
        raise JsonError(f"{path}: an integer beyond 1.8e308, which no JSON reader takes") from None
    return value


def _key(key: object, path: str) -> str:
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, (bool, int, float)):
        return json.dumps(key)
    try:
        return str(scalar(key))
    except JsonError:
        raise JsonError(f"{path}: a key of type {type(key).__name__} cannot become JSON") from None
