"""The wire: what is accepted, what is refused by name, and that no piece of bytes breaks it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.runs.contract import (
    Code,
    Emit,
    Invocation,
    Limits,
    Options,
    OptionsCall,
    Respond,
    StoreChange,
)
from workers.runtime.frames import (
    MAX_FRAME,
    Decoder,
    Violation,
    encode,
    invoke_frame,
    load_frame,
)
from workers.runtime.gather import Asked, Gather, cut, mask_words
from workers.runtime.payloads import check_payload
from workers.runtime.protocol import Done, Loaded, parse

RUN = "r"
FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "protocol.json"


def frame(header: object, *parts: bytes) -> bytes:
    return b"\n".join([orjson.dumps(header), *parts])


def emit(**given: Any) -> dict[str, Any]:
    return {"t": "emit", "run": RUN, "at": 1, **given}


@given(st.lists(st.binary(min_size=1, max_size=300)), st.data())
def test_any_cut_of_the_stream_gives_the_same_frames(bodies: list[bytes], data: Any) -> None:
    stream = b"".join(len(body).to_bytes(4, "big") + body for body in bodies)
    found: list[bytes] = []
    decoder, at = Decoder(), 0
    while at < len(stream):
        step = data.draw(st.integers(1, max(1, len(stream) - at)))
        found += decoder.feed(stream[at : at + step])
        at += step
    assert found == bodies


@pytest.mark.parametrize("length", [0, MAX_FRAME + 1, 2**32 - 1])
def test_an_impossible_length(length: int) -> None:
    with pytest.raises(Violation):
        list(Decoder().feed(length.to_bytes(4, "big")))


@given(st.binary(max_size=200), st.sampled_from([RUN, None]))
def test_no_bytes_raise_anything_but_violation(body: bytes, run_id: str | None) -> None:
    with pytest.raises(Violation):
        parse(body, run_id, Limits())


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_KINDS = st.sampled_from(["emit", "set", "log", "respond", "done", "loaded", "failed", "x"])
_FIELDS = ("at", "id", "summary", "ts", "name", "delivery_ts", "key", "level", "msg", "status",
           "headers", "encoding", "ok", "error", "reuse", "description")  # fmt: skip


@given(_KINDS, st.dictionaries(st.sampled_from(_FIELDS), _JSON), st.booleans(), _JSON)
def test_no_shape_raises_anything_but_violation(
    kind: str, fields: dict[str, Any], running: bool, value: Any
) -> None:
    header = json.dumps({"t": kind, "run": RUN, **fields}).encode()
    for body in (header, header + b"\n" + json.dumps(value).encode()):
        try:
            parse(body, RUN if running else None, Limits())
        except Violation:
            continue


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (frame(emit()), "Protocol Violation"),
        (frame(emit(), b"1", b"2"), "Protocol Violation"),
        (frame(emit(run="other"), b"1"), "Protocol Violation"),
        (frame(emit(at="1"), b"1"), "Protocol Violation"),
        (frame(emit(at=True), b"1"), "Protocol Violation"),
        (frame(emit(ts=1.5), b"1"), "Protocol Violation"),
        (frame(emit(name="a\0b"), b"1"), "Protocol Violation"),
        (frame(emit(id="a\0b"), b"1"), "Protocol Violation"),
        (frame(emit(id=[1]), b"1"), "Protocol Violation"),
        (frame(emit(), b"{"), "Protocol Violation"),
        (frame(emit(), b"NaN"), "Protocol Violation"),
        (frame(emit(), b""), "Protocol Violation"),
        (frame(emit(), b'"\xff"'), "Protocol Violation"),
        (frame(emit(), b"\xef\xbb\xbf1"), "Protocol Violation"),
        (frame(emit(), b'"\xed\xa0\x80"'), "Protocol Violation"),
        (frame(emit(), b"[1e5,Infinity]"), "Protocol Violation"),
        (b'{"a":"\\ud800","b":' + b"[" * 700 + b"]" * 700 + b"}", "Protocol Violation"),
        (b"[" * 5000, "Protocol Violation"),
        (frame(emit(), b"[" * 300 + b"]" * 300), "JSON Nested Property Limit Exceeded"),
        (frame(emit(), b'{"a":' * 257 + b"1" + b"}" * 257), "JSON Nested Property Limit Exceeded"),
        (frame(emit(), b"[" * 100_000), "JSON Nested Property Limit Exceeded"),
        (frame(emit(), b'"' + b"x" * (1 << 20) + b'"'), "Function Payload Limit Exceeded"),
        (frame({"t": "set", "run": RUN, "key": ""}, b"1"), "Protocol Violation"),
        (frame({"t": "set", "run": RUN, "key": "k" * 257}, b"1"), "Protocol Violation"),
        (
            frame({"t": "log", "run": RUN, "at": 1, "level": "loud", "msg": ""}),
            "Protocol Violation",
        ),
        (frame({"t": "invoke", "run": RUN}), "Protocol Violation"),
        (frame({"t": ["emit"], "run": RUN}), "Protocol Violation"),
        (frame({"t": "done", "run": RUN, "ok": 1, "reuse": True}), "Protocol Violation"),
        (frame({"t": "done", "run": RUN, "ok": False, "reuse": True}), "Protocol Violation"),
        (frame({"t": "loaded", "run": RUN, "description": {}}), "Protocol Violation"),
    ],
)
def test_what_is_refused(body: bytes, name: str) -> None:
    with pytest.raises(Violation) as caught:
        parse(body, RUN, Limits())
    assert caught.value.error.name == name


def test_payloads_pass_byte_for_byte() -> None:
    for payload in (
        b'{"b":1,"a":[1.0,1e3,"\\u0000\\u00e9"]}',
        b'"\\"[[[["',
        b"[" * 256 + b"]" * 256,
    ):
        assert parse(frame(emit(id=7, ts=5), payload), RUN, Limits()) == Emit(
            payload, "", {"id": 7, "ts": 5}, 1
        )


def test_a_lone_surrogate_stays_in_a_payload_and_is_replaced_in_text_columns() -> None:
    body = b'{"t":"emit","run":"r","at":1,"id":"a\\ud800","summary":"\\udc00b"}\n"\\ud800"'
    meta = {"id": "a\ufffd", "summary": "\ufffdb"}
    assert parse(body, RUN, Limits()) == Emit(b'"\\ud800"', "", meta, 1)


def test_brackets_inside_strings_are_no_nesting() -> None:
    check_payload(orjson.dumps({"x": '[{\\"' * 400, "y": [["]"]]}), Limits())


def test_every_message_of_the_shared_fixture_is_read() -> None:
    kinds = set()
    for example in json.loads(FIXTURE.read_text()):
        if example["direction"] == "to_child":
            continue
        header = example["header"]
        parts = [part.encode() for part in example.get("parts", [])]
        asked = header["t"] == "options"
        parse(frame(header, *parts), header.get("run"), Limits(), asked_options=asked)
        kinds.add(header["t"])
    running = {"emit", "set", "log", "respond", "options", "done"}
    assert kinds == {"loaded", "failed"} | running


@pytest.mark.parametrize(
    "part",
    [
        b"[]", b"{}", b'{"items":{}}', b'{"items":["a"]}', b'{"items":[{"label":"a"}]}',
        b'{"items":[{"value":1}]}', b'{"items":[{"label":1,"value":1}]}',
        b'{"items":[{"label":"a","value":null}]}', b'{"items":[{"label":"a","value":[]}]}',
        b'{"items":[],"context":[]}', b'{"items":[],"context":"next"}', b'{"items":[]',
    ],
)  # fmt: skip
def test_a_page_of_another_form_is_a_violation(part: bytes) -> None:
    with pytest.raises(Violation):
        parse(frame({"t": "options", "run": RUN}, part), RUN, Limits(), asked_options=True)


def test_a_page_is_read_and_what_else_a_choice_holds_is_dropped() -> None:
    part = rb'{"items":[{"label":"a\ud800","value":true,"more":[]}],"context":{"next":1}}'
    page = parse(frame({"t": "options", "run": RUN}, part), RUN, Limits(), asked_options=True)
    assert page == Options([{"label": "a\N{REPLACEMENT CHARACTER}", "value": True}], {"next": 1})


@pytest.mark.parametrize("kind", ["emit", "set", "respond"])
def test_what_a_run_may_send_is_a_violation_where_choices_were_asked_for(kind: str) -> None:
    messages = json.loads(FIXTURE.read_text())
    example = next(m for m in messages if m["header"]["t"] == kind)
    header, parts = example["header"], [part.encode() for part in example["parts"]]
    parse(frame(header, *parts), header["run"], Limits())
    with pytest.raises(Violation):
        parse(frame(header, *parts), header["run"], Limits(), asked_options=True)
    with pytest.raises(Violation):
        parse(frame({"t": "options", "run": RUN}, b'{"items":[]}'), RUN, Limits())


@pytest.mark.parametrize("name", ["c" * 65, "é" * 65, "$errors", "$"])
def test_7_1_a_channel_has_at_most_64_characters_the_first_not_a_dollar(name: str) -> None:
    assert isinstance(parse(frame(emit(name="é" * 64), b"1"), RUN, Limits()), Emit)
    with pytest.raises(Violation):
        parse(frame(emit(name=name), b"1"), RUN, Limits())


def test_one_answer_to_a_call_for_options_and_not_none() -> None:
    asked = Asked(OptionsCall(RUN, "p"), Limits())
    with pytest.raises(Violation):
        asked.add(Done(None, True), 10)
    asked.add(Options([]), 10)
    with pytest.raises(Violation):
        asked.add(Options([]), 10)
    assert asked.add(Done(None, True), 10) == Done(None, True)


def test_bodies_of_respond() -> None:
    header = {"t": "respond", "run": RUN, "status": 200, "headers": {"a": "b"}, "encoding": "text"}
    assert parse(frame(header, '"é"'.encode()), RUN, Limits()) == Respond(
        200, {"a": "b"}, "é".encode()
    )
    assert parse(frame({**header, "encoding": "base64"}, b'"AAH/"'), RUN, Limits()) == Respond(
        200, {"a": "b"}, b"\0\1\xff"
    )
    for broken in (
        frame({**header, "status": 199}, b'""'),
        frame({**header, "headers": {"a": 1}}, b'""'),
        frame({**header, "encoding": "base64"}, b'"*"'),
        frame(header, b"7"),
        frame(header),
    ):
        with pytest.raises(Violation):
            parse(broken, RUN, Limits())


def test_frames_to_the_child() -> None:
    call = Invocation(RUN, "dc_1", "run", "timer", b'{"a":1}', b"[2]", b"{}")
    head, *parts = invoke_frame(call)[4:].split(b"\n")
    assert orjson.loads(head) == {"t": "invoke", "run": RUN, "entry": "run", "source_id": "dc_1"}
    assert parts == [b'{"a":1}', b"[2]", b"{}"]
    body = load_frame(Code("o", "c", "python", "a\nb"), {"K": "v"})[4:]
    assert body.split(b"\n")[1] == b'"a\\nb"'
    with pytest.raises(ValueError):
        load_frame(Code("o", "c", "python", "\ud800"), {})
    with pytest.raises(ValueError):
        encode({}, b"1\n2")
    with pytest.raises(ValueError):
        encode({}, b"1" * MAX_FRAME)


def gather(**given: Any) -> Gather:
    return Gather(Invocation(RUN, "dc_1", "run", "manual", **given), Limits(), None)


def test_the_event_counts_towards_the_payload() -> None:
    full = gather(event=b'"' + b"x" * (6 * 1024 * 1024 - 40) + b'"')
    with pytest.raises(Violation, match="above 6291456 bytes"):
        full.add(Emit(b"1"), 60)


def test_a_later_write_replaces_an_earlier_one_in_place() -> None:
    one = gather(store=b'{"old":1}')
    for change in (StoreChange("a", b"1"), StoreChange("b", b"2"), StoreChange("a", b"3")):
        one.add(change, 9)
    one.add(StoreChange("old", None), 9)
    assert one.end(None).store == [
        StoreChange("b", b"2"),
        StoreChange("a", b"3"),
        StoreChange("old", None),
    ]


def test_the_platform_keeps_the_limits_of_the_store_whatever_the_child_does() -> None:
    half = b'"' + b"x" * 600_000 + b'"'
    one = gather(store=b'{"old":' + half + b"}")
    one.add(StoreChange("old", half), 9)
    with pytest.raises(Violation, match="a store above") as caught:
        one.add(StoreChange("new", half), 9)
    assert caught.value.error.name == "Store Limit Exceeded"
    assert [change.key for change in one.end(None).store] == ["old"]
    one.add(StoreChange("old", None), 9)
    with pytest.raises(Violation, match="too much written"):
        for _ in range(1000):
            one.add(StoreChange("new", half), 9)


def test_the_first_answer_stands() -> None:
    seen: list[Respond] = []
    one = Gather(Invocation(RUN, "dc_1", "run", "http"), Limits(), seen.append)
    first, second = Respond(400, {}, b"no"), Respond(200, {}, b"yes")
    one.add(first, 9)
    one.add(second, 9)
    outcome = one.end(None)
    assert (outcome.response, seen) == (first, [first])
    assert [line.level for line in outcome.logs] == ["warn"]


def test_masks_and_cuts() -> None:
    assert mask_words(("", "abc", "abcdef", "l1\nl2")) == ("abcdef", "l1\nl2", "abc", "l2", "l1")
    assert cut("é" * 10, 5) == "éé"
    assert cut("plain", 100) == "plain"


def test_types_of_messages() -> None:
    assert parse(frame({"t": "done", "run": RUN, "ok": True, "reuse": False}), RUN, Limits()) == (
        Done(None, False)
    )
    description = {"name": "n", "version": "1", "type": "source", "props": [], "hooks": []}
    loaded = parse(frame({"t": "loaded", "description": description}), None, Limits())
    assert isinstance(loaded, Loaded)
