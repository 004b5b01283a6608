"""`this.$emit`: what becomes of a value and of its metadata."""

# ruff: noqa: E501 (lines of JavaScript)

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.runtime.javascript.driver import Child, now_ms


def emit(child: Child, *arguments: str) -> list[Any]:
    """The header and the value of one emit per JavaScript argument list."""
    calls = "\n".join(f"this.$emit({argument});" for argument in arguments)
    child.describe(f"module.exports = {{ run(event) {{ {calls} }} }};")
    result = child.invoke()
    assert result.ok, result.error
    return result.of("emit")


@pytest.mark.parametrize(
    ("expression", "part"),
    [
        ("{ b: 1, a: [true, null, 'ü\\n'] }", '{"b":1,"a":[true,null,"ü\\n"]}'),
        ("", "null"),
        ("undefined", "null"),
        ("null", "null"),
        ("'text'", '"text"'),
        ("{ at: new Date(0) }", '{"at":"1970-01-01T00:00:00.000Z"}'),
        ("new Date(NaN)", "null"),
        ("{ a: undefined, b: [undefined, 1] }", '{"b":[null,1]}'),
        ("[NaN, Infinity, -0, 1e21, 0.1]", "[null,null,0,1e+21,0.1]"),
        ("[new Number(1), new String('s'), new Boolean(false)]", '[1,"s",false]'),
        ("{ toJSON() { return { seen: this.x }; }, x: 7 }", '{"seen":7}'),
        ("Object.create({ inherited: 1 }, { own: { value: 2, enumerable: true } })", '{"own":2}'),
        ("Buffer.from('ab')", '{"type":"Buffer","data":[97,98]}'),
        ("'\\ud800'", '"\\ud800"'),
        ("'nul \\u0000'", '"nul \\u0000"'),
        ("(() => { const one = {}; return [one, one]; })()", "[{},{}]"),
    ],
)
def test_a_value_becomes_the_json_that_javascript_gives(
    child: Child, expression: str, part: str
) -> None:
    [frame] = emit(child, expression)
    assert [text.decode() for text in frame.parts] == [part]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("{ items: [0, { total: 1n }] }", "event.items[1].total is a BigInt"),
        ("{ 'a key': { f() {} } }", 'event["a key"].f is a function'),
        ("Symbol('s')", "event is a symbol"),
        ("{ seen: [new Set([1])] }", "event.seen[0] is of type Set"),
        ("new Map([[1, 2]])", "event is of type Map"),
        ("{ raw: new Uint8Array(2) }", "event.raw is of type Uint8Array"),
        ("{ raw: new ArrayBuffer(2) }", "event.raw is of type ArrayBuffer"),
        (
            "(() => { const a = { list: [] }; a.list.push(a); return a; })()",
            "event.list[0] is circular",
        ),
    ],
)
def test_what_json_cannot_hold_is_an_error_at_the_call(
    child: Child, expression: str, message: str
) -> None:
    child.describe(
        f"""
        module.exports = {{ run() {{
          try {{ this.$emit({expression}); }} catch (error) {{ this.$emit([error.name, error.message]); }}
        }} }};
        """
    )
    [[name, said]] = child.invoke().emitted
    assert name == "TypeError"
    assert said.startswith(message)


def test_nesting_ends_at_256_levels(child: Child) -> None:
    child.describe(
        """
        const nest = (depth) => depth ? [nest(depth - 1)] : 0;
        module.exports = { run() { this.$emit(nest(256)); this.$emit(nest(257)); } };
        """
    )
    result = child.invoke()
    assert len(result.of("emit")) == 1
    assert result.error["name"] == "JSON Nested Property Limit Exceeded"


@pytest.mark.parametrize(
    ("metadata", "fields"),
    [
        ("", {}),
        ("null", {}),
        (
            "{ id: 7, summary: 's', ts: 1600000000000 }",
            {"id": 7, "summary": "s", "ts": 1600000000000},
        ),
        (
            "{ id: 'x', name: 'self', delivery_ts: 1.5e12 }",
            {"id": "x", "name": "self", "delivery_ts": 1500000000000},
        ),
        ("{ id: null, summary: undefined, ts: 0, name: '' }", {}),
        ("{ id: 0 }", {"id": 0}),
        ("{ id: '' }", {"id": ""}),
        ("{ id: NaN, ts: NaN }", {}),
        ("{ id: 2n ** 64n }", {"id": "18446744073709551616"}),
        ("{ id: true }", {"id": "true"}),
        ("{ id: new Date(0) }", {"id": "1970-01-01T00:00:00.000Z"}),
        ("{ id: new String('s') }", {"id": "s"}),
        ("{ id: 'a\\u0000b\\ud800' }", {"id": "a\ufffdb\ufffd"}),
        ("{ summary: 12 }", {"summary": "12"}),
        ("{ summary: ['a', 'b'] }", {"summary": "a,b"}),
        ("{ ts: '1600000000000' }", {"ts": 1600000000000}),
        ("{ ts: new Date(5) }", {"ts": 5}),
        ("{ ts: 5.9 }", {"ts": 5}),
        ("{ ts: 'yesterday' }", {}),
        ("{ ts: true }", {}),
        ("{ ts: 1e300 }", {}),
        ("{ ts: Infinity }", {}),
        ("{ ts: {} }", {}),
        ("{ other: 1 }", {}),
    ],
)
def test_metadata_travels_in_the_types_of_the_protocol(
    child: Child, metadata: str, fields: dict[str, Any]
) -> None:
    [frame] = emit(child, f"1, {metadata}" if metadata else "1")
    given = {k: v for k, v in frame.header.items() if k not in ("t", "run", "at")}
    assert json.dumps(given, sort_keys=True) == json.dumps(fields, sort_keys=True)


def test_a_long_summary_is_cut_at_1024_bytes(child: Child) -> None:
    frames = emit(child, "1, { summary: 'x'.repeat(5000) }", "1, { summary: '二'.repeat(5000) }")
    assert [frame.header["summary"] for frame in frames] == ["x" * 1024, "二" * 341]


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ("{ id: 'ü'.repeat(2049) }", "id: longer than 4096 bytes"),
        ("{ id: { a: 1 } }", "id is an object, not text or a number"),
        ("{ id: [1] }", "id is a list, not text or a number"),
        ("{ name: 'é'.repeat(65) }", "name: longer than 64 characters"),
        ("{ name: '😀'.repeat(65) }", "name: longer than 64 characters"),
        ("{ name: '$errors' }", "name: channels that begin with $ belong to the platform"),
    ],
)
def test_an_impossible_id_or_channel_is_an_error(child: Child, metadata: str, message: str) -> None:
    child.describe(f"module.exports = {{ run() {{ this.$emit(1, {metadata}); }} }};")
    result = child.invoke()
    assert result.error["message"] == message
    assert result.emitted == []


def test_each_emit_carries_the_moment_of_its_call(child: Child) -> None:
    child.describe(
        "module.exports = { async run() { this.$emit(1);"
        " await new Promise((done) => setTimeout(done, 30)); this.$emit(2); } };"
    )
    before = now_ms()
    first, second = (frame.header["at"] for frame in child.invoke().of("emit"))
    assert before <= first
    assert first + 25 <= second <= now_ms()


def test_emitting_works_with_and_without_await(child: Child) -> None:
    child.describe(
        """
        module.exports = { async run() {
          this.$emit(1);
          await this.$emit(2);
          this.$emit(3).then(() => this.$emit(4)).catch(() => {});
          const { $emit } = this;
          $emit(5);
        } };
        """
    )
    assert sorted(child.invoke().emitted) == [1, 2, 3, 4, 5]


def test_a_frame_is_written_before_the_call_returns(child: Child) -> None:
    """What was emitted, stored and printed is with the platform while the run still goes on."""
    child.describe(
        """
        module.exports = { props: { db: "$.service.db" }, run() {
          this.$emit(1); this.db.set("a", 2); console.log("said");
          for (;;);
        } };
        """
    )
    child.send(
        {"t": "invoke", "run": "r", "entry": "run", "source_id": "dc_1"}, b"{}", b"null", b"{}"
    )
    frames = [child.read() for _ in range(3)]
    assert [frame and frame.kind for frame in frames] == ["emit", "set", "log"]


def test_an_event_has_up_to_one_mebibyte(child: Child) -> None:
    child.describe("module.exports = { run(size) { this.$emit('ü'.repeat(size)); } };")
    half = 512 * 1024
    assert child.invoke(half - 1).emitted == ["ü" * (half - 1)]
    result = child.invoke(half)
    assert result.error["name"] == "Function Payload Limit Exceeded"
    assert result.emitted == []
