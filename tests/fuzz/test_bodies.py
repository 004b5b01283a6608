"""Bodies of the API, read strictly, and of sources' endpoints, passed on."""

from __future__ import annotations

import json
from typing import Any

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from apps.api import requests
from apps.api.parsing import MAX_DEPTH, parse_object
from apps.core.errors import ApiError
from tests.fuzz.texts import JSON_BYTES, VALUES


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written, doubled keys and all."""


class _Refuse(Exception):
    pass


def _no(_text: str) -> Any:
    raise _Refuse


def _judge(value: Any, depth: int = 1) -> bool:
    """A second judgement, of the value that the json module read: may it pass?"""
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= c <= "\udfff" for c in value)
    if isinstance(value, int):
        return -(2**63) <= value < 2**64
    if isinstance(value, float):
        return abs(value) != float("inf")
    if isinstance(value, list):
        if depth > MAX_DEPTH:
            return False
        if isinstance(value, _Pairs):
            names = [name for name, _ in value]
            if len(set(names)) != len(names) or not all(map(_judge, names)):
                return False
            return all(_judge(inner, depth + 1) for _, inner in value)
        return all(_judge(inner, depth + 1) for inner in value)
    return True


def _may_pass(raw: bytes) -> bool:
    try:
        read = json.loads(raw.decode(), parse_constant=_no, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError, _Refuse):
        return False
    return isinstance(read, _Pairs) and _judge(read)


@given(JSON_BYTES | JSON_BYTES.map(b'{"a":%b}'.__mod__))
@example(b'{"a":{"b":1,"b":1}}')
@example(b'{"a":18446744073709551616}')
@example(b'{"a":1e999}')
@example(b'{"a":"\\ud800"}')
@example(b'{"a":' * 64 + b"1" + b"}" * 64)
@example(b'{"a":' * 65 + b"1" + b"}" * 65)
@example(b'{"\\u0000":1}')
def test_what_passes_is_what_a_second_reading_lets_pass(raw: bytes) -> None:
    blank = not raw.strip(b" \t\r\n")
    try:
        value = parse_object(raw)
    except ApiError as refused:
        assert refused.status == 400
        assert refused.code in ("invalid_json", "too_deep", "invalid_parameter")
        refused.message.encode()
        orjson.dumps(refused.details)
        assert not blank
        assert not _may_pass(raw)
        return
    assert blank or _may_pass(raw)
    # Every other reader takes it, and reads the same.
    written = orjson.dumps(value)
    assert blank or value == orjson.loads(raw) == json.loads(raw)
    assert parse_object(written) == value


_TYPES = st.sampled_from(
    ["application/json", "application/vnd.x+json; charset=x", "text/plain", "", "nonsense",
     "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "multipart/form-data"]
)  # fmt: skip
_PART = b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n--x--\r\n'
_FORMS = st.builds(lambda a, b: _PART % (a, b), st.binary(max_size=9), st.binary(max_size=30))


def _constant(name: str) -> Any:
    raise AssertionError(f"{name} is no JSON")


@given(_TYPES, JSON_BYTES | VALUES.map(repr).map(lambda t: t.encode(errors="replace")) | _FORMS,
       st.binary(max_size=20))  # fmt: skip
@example("application/json", b"[1e9999999999999999]", b"")
@example("application/json", b'["\\ud800", 12345678901234567890]', b"")
@example("application/json", b'{"a":1,"a":12345678901234567890}', b"")
@example("application/json", b"[" * 255 + b"]" * 255, b"")
@example("application/json", b"[" * 256 + b"]" * 256, b"")
@example("application/json", b"[1" + b"0" * 400 + b"]", b"")
def test_any_request_is_an_event_that_loses_no_byte(kind: str, body: bytes, query: bytes) -> None:
    event = requests.event("post", "/x", query, [(b"Content-Type", kind.encode())], body)
    read = json.loads(event, parse_constant=_constant)
    orjson.loads(event)
    assert set(read) == {"method", "path", "query", "headers", "bodyRaw", "body"}
    assert body in (read["bodyRaw"].encode(), read["bodyRaw"].encode("latin-1", "replace"))
    if "json" in kind and body and read["body"] != read["bodyRaw"]:
        assert read["body"] == json.loads(body), "exact to the last digit"
    elif body and "form" not in kind and "json" not in kind:
        assert read["body"] == read["bodyRaw"]
