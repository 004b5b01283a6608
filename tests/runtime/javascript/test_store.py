"""`$.service.db` as JavaScript sees it (component specification 4)."""

# ruff: noqa: E501 (lines of JavaScript)

from __future__ import annotations

import pytest

from tests.runtime.javascript.driver import Child, Result

HEAD = 'module.exports = { props: { db: "$.service.db", other: "$.service.db" }, run() {'


def run(child: Child, body: str, store: dict[str, object] | None = None) -> Result:
    child.describe(f"{HEAD} {body} }} }};")
    return child.invoke(store=store)


def test_get_is_synchronous_and_tells_null_from_missing(child: Child) -> None:
    result = run(
        child,
        "this.$emit([this.db.get('n'), this.db.get('list'), this.db.get('none') === undefined,"
        " this.db.get('null')]);",
        {"n": 1, "list": [{"a": "ü"}], "null": None},
    )
    assert result.emitted == [[1, [{"a": "ü"}], True, None]]


def test_set_is_seen_by_later_gets_and_sent_at_once(child: Child) -> None:
    result = run(
        child,
        "this.db.set('n', 2); this.$emit(this.other.get('n')); this.db.set('n', undefined);"
        " this.$emit(this.db.get('n') === undefined); this.db.set('n', null); this.$emit(this.db.get('n'));",
        {"n": 1},
    )
    assert [f.kind for f in result.frames] == ["set", "emit", "set", "emit", "set", "emit", "done"]
    assert [(f.header["key"], f.parts) for f in result.of("set")] == [
        ("n", [b"2"]),
        ("n", []),
        ("n", [b"null"]),
    ]
    assert result.emitted == [2, True, None]


def test_values_make_a_round_trip_through_json(child: Child) -> None:
    result = run(
        child,
        """
        const given = { at: new Date(0), n: NaN, none: undefined, list: [1] };
        this.db.set("v", given);
        given.list.push(2);
        const got = this.db.get("v");
        this.$emit(got);
        got.list.push(3);
        this.$emit(this.db.get("v"));
        const old = this.db.get("old");
        old.push(9);
        this.$emit(this.db.get("old"));
        """,
        {"old": [1]},
    )
    value = {"at": "1970-01-01T00:00:00.000Z", "n": None, "list": [1]}
    assert result.emitted == [value, value, [1]]


@pytest.mark.parametrize(
    "key",
    [
        "''",
        "undefined",
        "null",
        "{}",
        "true",
        "Symbol('s')",
        "'ä'.repeat(129)",
        "'a\\u0000'",
        "'\\ud800'",
    ],
)
def test_a_bad_key_is_an_error(child: Child, key: str) -> None:
    result = run(child, f"this.db.set({key}, 1);")
    assert result.error["name"] == "TypeError"
    assert "a store key" in result.error["message"]
    assert result.of("set") == []


def test_a_key_has_up_to_256_bytes_and_numbers_become_text(child: Child) -> None:
    result = run(
        child,
        "this.db.set('ä'.repeat(128), 1); this.db.set(7, 'seven'); this.$emit(this.db.get('7'));",
    )
    assert result.emitted == ["seven"]
    assert [f.header["key"] for f in result.of("set")] == ["ä" * 128, "7"]


@pytest.mark.parametrize("key", ["__proto__", "constructor", "toString"])
def test_names_of_the_language_are_ordinary_keys(child: Child, key: str) -> None:
    result = run(
        child,
        f"this.$emit(this.db.get('{key}') === undefined); this.db.set('{key}', {{ a: 1 }});"
        f" this.$emit(this.db.get('{key}')); this.$emit(this.db.get('kept'));",
        {"kept": {"b": 2}},
    )
    assert result.emitted == [True, {"a": 1}, {"b": 2}]


def test_a_key_named_proto_survives_in_the_snapshot(child: Child) -> None:
    assert run(child, "this.$emit(this.db.get('__proto__'));", {"__proto__": [1]}).emitted == [[1]]


def test_what_json_cannot_hold_is_an_error_at_set(child: Child) -> None:
    result = run(child, "this.db.set('a', { b: () => 1 });")
    assert result.error["message"] == 'value of "a".b is a function, which JSON cannot hold'
    assert result.of("set") == []


def test_the_store_ends_at_one_mebibyte(child: Child) -> None:
    result = run(
        child,
        """
        this.db.set("a", "x".repeat(600_000));
        this.db.set("a", "x".repeat(1_000_000));
        this.db.set("b", "x".repeat(40_000));
        try { this.db.set("c", "ä".repeat(10_000)); } catch (error) { this.$emit(error.name); }
        this.$emit(this.db.get("c") === undefined);
        this.db.set("a", undefined);
        this.db.set("c", "ä".repeat(10_000));
        """,
    )
    assert result.ok
    assert result.emitted == ["Store Limit Exceeded", True]
    assert [f.header["key"] for f in result.of("set")] == ["a", "a", "b", "a", "c"]


def test_the_snapshot_counts_towards_the_limit(child: Child) -> None:
    result = run(child, "this.db.set('b', 'x'.repeat(200));", {"a": "x" * (1024 * 1024 - 100)})
    assert result.error["name"] == "Store Limit Exceeded"


def test_a_store_over_the_limit_can_shrink(child: Child) -> None:
    body = "this.db.set('a', 'x'.repeat(1_100_000)); this.db.set('a', 'x'.repeat(1_150_000));"
    result = run(child, body, {"a": "x" * 1_200_000})
    assert len(result.of("set")) == 1
    assert result.error["name"] == "Store Limit Exceeded"


def test_sets_before_an_error_are_kept(child: Child) -> None:
    result = run(child, "this.db.set('a', 1); throw new Error('x');")
    assert [f.header["key"] for f in result.of("set")] == ["a"]
    assert not result.ok
