"""`$.service.db` as stored: values keep their bytes, changes are per key (F4, F13)."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from apps.runs import store
from apps.runs.contract import StoreChange

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])), inner
    ),
    max_leaves=8,
)  # fmt: skip


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def test_numbers_are_not_rounded() -> None:
    stored = store.apply(b"{}", [StoreChange("big", b"123456789012345678901234567890")])
    stored = store.apply(stored, [StoreChange("other", b"1.10")])
    assert stored == b'{"big":123456789012345678901234567890,"other":1.10}'


def test_a_removed_key_is_gone_and_a_null_stays() -> None:
    stored = store.apply(b'{"a":1,"b":2}', [StoreChange("a", None), StoreChange("b", b"null")])
    assert stored == b'{"b":null}'


def test_no_change_returns_the_same_object() -> None:
    raw = b'{"a":1}'
    assert store.apply(raw, []) is raw


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), JSON))
def test_any_store_comes_back_byte_for_byte(values: dict[str, Any]) -> None:
    changes = [StoreChange(key, compact(value)) for key, value in values.items()]
    stored = store.apply(b"{}", changes)
    assert json.loads(stored) == values
    assert {k: v.encode() for k, v in store.split(stored).items()} == {
        k: compact(v) for k, v in values.items()
    }
