"""The harness speaks the protocol as `docs/protocol.md` and the shared examples have it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.javascript.driver import Child, Frame

ROOT = Path(__file__).resolve().parents[3]
MESSAGES = json.loads((ROOT / "tests/fixtures/protocol.json").read_text("utf-8"))

# Makes every call whose frame the examples show, in their order.
EVERY_CALL = """
module.exports = {
  props: { db: "$.service.db", http: { type: "$.interface.http", customResponse: true } },
  run() {
    this.$emit({ a: 1 });
    this.$emit({ text: "line\\nbreak", null: null, nul: "\\0" },
               { id: 7, summary: "sieben – 七", ts: 1600000000000 });
    this.$emit(undefined, { id: "x", name: "self", delivery_ts: 1600003600000 });
    this.$emit("\\ud800");
    this.db.set("count", 42);
    this.db.set("cleared", null);
    this.db.set("count", undefined);
    console.log("hello");
    console.warn("careful");
    console.error("broken");
    this.http.respond({ body: { ok: true } });
    this.http.respond({ status: 404, body: new Uint8Array([0, 255]) });
  },
};
"""


def examples(direction: str, *kinds: str) -> list[dict[str, Any]]:
    return [
        message
        for message in MESSAGES
        if message["direction"] == direction and message["header"]["t"] in kinds
    ]


def send(child: Child, message: dict[str, Any]) -> None:
    child.send(message["header"], *(part.encode() for part in message["parts"]))


def timeless(header: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in header.items() if key != "at"}


def test_loads_the_example_and_describes_it_as_the_example_says(child: Child) -> None:
    [load] = [
        message
        for message in examples("to_child", "load")
        if message["header"]["language"] == "javascript"
    ]
    send(child, load)
    answer = child.read()
    assert answer is not None
    assert answer.header == examples("to_platform", "loaded")[0]["header"]


@pytest.mark.parametrize("message", examples("to_child", "invoke"))
def test_accepts_every_example_invocation(child: Child, message: dict[str, Any]) -> None:
    entry = message["header"]["entry"]
    body = "{ this.$emit(Object.keys(this).length) }"
    hooks = f"deploy() {body}, activate() {body}, deactivate() {body}"
    child.describe(
        'module.exports = { props: { url: "string", timer: "$.interface.timer",'
        ' http: "$.interface.http", github: { type: "app", app: "github" }, db: "$.service.db" },'
        f" hooks: {{ {hooks} }}, run() {body} }};"
    )
    send(child, message)
    result = child.rest(message["header"]["run"])
    assert result.ok, (entry, result.frames)
    assert len(result.emitted) == 1


def test_every_call_gives_the_frame_of_the_example(child: Child) -> None:
    child.describe(EVERY_CALL)
    wanted = examples("to_platform", "emit", "set", "log", "respond")
    run = wanted[0]["header"]["run"]
    result = child.invoke(run=run)
    assert result.ok
    frames: list[Frame] = result.frames[:-1]
    assert [timeless(frame.header) for frame in frames] == [
        timeless(message["header"]) for message in wanted
    ]
    assert [[part.decode() for part in frame.parts] for frame in frames] == [
        message["parts"] for message in wanted
    ]
    assert {type(f.header["at"]) for f in frames if f.kind in ("emit", "log")} == {int}


def test_a_line_separator_of_unicode_does_not_end_a_header(child: Child) -> None:
    child.describe("module.exports = { run(event) { this.$emit(event, { summary: event }); } };")
    [frame] = child.invoke("a\u2028b\r").of("emit")
    assert frame.header["summary"] == frame.value == "a\u2028b\r"


def test_large_frames_pass_in_both_directions(child: Child) -> None:
    child.describe(
        """
        module.exports = { props: { http: "$.interface.http" }, run(event) {
          this.$emit(event.length);
          this.http.respond({ body: event });
        } };
        """
    )
    for text in ("ü" * 2_000_000, "small", "ü" * 2_000_001):
        result = child.invoke(text)
        assert result.emitted == [len(text)]
        assert [frame.value for frame in result.of("respond")] == [text]


def test_what_no_frame_can_hold_is_an_error(child: Child) -> None:
    child.describe(
        "module.exports = { props: { http: '$.interface.http' },"
        " run() { this.http.respond({ body: 'x'.repeat(9_000_000) }); } };"
    )
    result = child.invoke()
    assert result.error["name"] == "Function Payload Limit Exceeded"
    assert result.of("respond") == []


def test_frames_that_arrive_in_pieces_or_together_are_read(child: Child) -> None:
    child.describe("module.exports = { run(event) { this.$emit(event); } };")
    header = {"t": "invoke", "run": "r", "entry": "run", "source_id": "dc_1"}
    for event in (b"1", b"2"):
        child.send(header, b"{}", event, b"{}")
    assert child.rest("r").emitted == [1]
    assert child.rest("r").emitted == [2]
