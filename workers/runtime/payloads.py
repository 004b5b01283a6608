"""JSON of children: hostile text. Its rules, and why they are not those of an API body, are in
docs/decisions/0081-strict-json.md."""

from __future__ import annotations

import json
import math
import re
from itertools import accumulate
from typing import Any, Final, NoReturn

import orjson

from apps.runs.contract import NESTING_LIMIT, PAYLOAD_LIMIT, Limits
from workers.runtime.frames import Violation


def read(text: bytes) -> Any:
    """The value of a header or of another text that ends in columns: lone surrogates replaced.
    Raises Violation."""
    try:
        return orjson.loads(text)
    except ValueError:
        try:
            return _mend(_lenient(text))
        except RecursionError:
            raise Violation("a header nested too deep") from None


def check_payload(part: bytes, limits: Limits) -> None:
    """Raises Violation unless `part` is one JSON value within the limits of size and nesting."""
    if len(part) > limits.event_bytes:
        raise Violation(f"a value above {limits.event_bytes} bytes", PAYLOAD_LIMIT)
    if part.count(b"[") + part.count(b"{") > limits.nesting and _depth(part) > limits.nesting:
        raise Violation(f"more than {limits.nesting} levels of nesting", NESTING_LIMIT)
    try:
        orjson.loads(part)
    except ValueError:
        _lenient(part)


def _lenient(text: bytes) -> Any:
    """JSON with escapes of lone surrogates in it, which is JSON all the same. Raises Violation."""
    try:
        return _decoder.decode(text.decode())
    except (ValueError, RecursionError) as error:
        raise Violation(f"text that is not JSON: {error}") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    """As the fast parser: a number that is infinite as a double is refused."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number out of range")
    return number


def _whole(text: str) -> int:
    _finite(text)
    return int(text)


_decoder: Final = json.JSONDecoder(
    parse_constant=_no_constant, parse_float=_finite, parse_int=_whole
)


def _mend(value: Any) -> Any:
    """The same value, lone surrogates replaced: what headers carry ends in columns of text."""
    if type(value) is str:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if type(value) is list:
        return [_mend(item) for item in value]
    if type(value) is dict:
        return {_mend(key): _mend(item) for key, item in value.items()}
    return value


_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_NOT_BRACKETS: Final = bytes(c for c in range(256) if c not in b"[]{}")
_STEP: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def _depth(part: bytes) -> int:
    brackets = _STRINGS.sub(b"", part).translate(None, _NOT_BRACKETS)
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0)
