"""What becomes JSON, and how an error names what does not (component specification 13)."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from headwater import JsonError, NestingLimitError
from headwater._json import MAX_NESTING, decode, encode
from hypothesis import given
from hypothesis import strategies as st

BASIC = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    BASIC, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30
)


class Colour(Enum):
    RED = "red"
    ONE = 1


class Text(StrEnum):
    A = "a"


class Number(IntEnum):
    TWO = 2


@dataclass
class Point:
    x: int
    when: date


class Unknown:
    pass


@given(VALUES)
def test_json_values_come_back_equal(value: Any) -> None:
    if "Infinity" not in json.dumps(value):
        text = encode(value)
        assert b"\n" not in text
        assert json.loads(text) == value
        assert decode(text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2020, 1, 2, 3, 4, 5, 6000, UTC), '"2020-01-02T03:04:05.006000+00:00"'),
        (datetime(2020, 1, 2, tzinfo=timezone(timedelta(hours=2))), '"2020-01-02T00:00:00+02:00"'),
        (datetime(2020, 1, 2), '"2020-01-02T00:00:00+00:00"'),  # noqa: DTZ001
        (date(2020, 1, 2), '"2020-01-02"'),
        (time(3, 4), '"03:04:00"'),
        (Decimal("0.1"), "0.1"),
        (Decimal("3"), "3"),
        (Decimal("3.00"), "3"),
        (Decimal("0.1234567890123456789"), '"0.1234567890123456789"'),
        (Decimal("9007199254740993"), '"9007199254740993"'),
        (Decimal("1E+400"), '"1E+400"'),
        (Decimal("NaN"), "null"),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (Colour.RED, '"red"'),
        (Colour.ONE, '"1"'),
        (Text.A, '"a"'),
        (Number.TWO, "2"),
        (Point(1, date(2020, 1, 2)), '{"x":1,"when":"2020-01-02"}'),
        ((1, (2,)), "[1,[2]]"),
        (OrderedDict(b=1, a=2), '{"b":1,"a":2}'),
        (MappingProxyType({"a": Point(1, date(2020, 1, 2))}), '{"a":{"x":1,"when":"2020-01-02"}}'),
        ([math.nan, math.inf, -math.inf, 1.5], "[null,null,null,1.5]"),
        ({2: 1, 2.5: 2, True: 3, None: 4}, '{"2":1,"2.5":2,"true":3,"null":4}'),
        ({UUID(int=1): 1}, '{"00000000-0000-0000-0000-000000000001":1}'),
        ("\ud800 é \0", '"\\ud800 é \\u0000"'),
        (2**70, str(2**70)),
        (["1" * 400, 10**308], f'["{"1" * 400}",{10**308}]'),
    ],
)
def test_the_form_of_each_kind(value: object, text: str) -> None:
    assert encode(value) == text.encode()


def circular() -> list[Any]:
    value: list[Any] = []
    value.append({"a": value})
    return value


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"a": [1, {2}]}, "event.a[1]: set"),
        ({"a": {"b": b"x"}}, "event.a.b: bytes"),
        ([Point(1, {1: Unknown()})], "event[0].when.1: Unknown"),  # type: ignore[arg-type]
        (circular(), "event[0].a: circular"),
        ({"f": print}, "event.f: builtin_function_or_method"),
        ({b"x": 1}, "event: a key of type bytes"),
        ([10**5000], "event[0]: an integer beyond"),
        ({"a": -(10**309)}, "event.a: an integer beyond"),
        ((x for x in "a"), "event: generator"),
    ],
)
def test_an_error_names_the_path(value: object, says: str) -> None:
    with pytest.raises(JsonError) as caught:
        encode(value, "event")
    assert str(caught.value).startswith(says)


def nested(levels: int) -> Any:
    value: Any = "[" * 600
    for level in range(levels):
        value = [value] if level % 2 else {"[": value}
    return value


def test_256_levels_pass_and_257_do_not() -> None:
    assert decode(encode(nested(MAX_NESTING))) == nested(MAX_NESTING)
    with pytest.raises(NestingLimitError):
        encode(nested(MAX_NESTING + 1))
    with pytest.raises(NestingLimitError):
        encode(nested(50_000))


def test_many_brackets_are_not_depth() -> None:
    wide = [{"a": [1]}] * 1000
    assert decode(encode(wide)) == wide


def test_a_value_in_two_places_is_not_circular() -> None:
    shared = {"a": math.nan}
    assert encode([shared, shared]) == b'[{"a":null},{"a":null}]'
