"""Frames of children: how they are cut out of the stream, and how they are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from apps.runs.contract import Emit, Limits, LogLine, Respond, StoreChange
from tests.fuzz.texts import DEEP, JSON_BYTES, JSON_TEXT, VALUES, as_bytes, mutated
from workers.runtime.frames import MAX_FRAME, Decoder, Violation
from workers.runtime.payloads import check_payload
from workers.runtime.protocol import Done, Failed, Loaded, parse

RUN = "r"
FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "protocol.json"


def _examples() -> list[bytes]:
    """The messages that the harnesses send, as bodies of frames."""
    found = []
    for message in json.loads(FIXTURE.read_text()):
        if message["direction"] != "to_child":
            header = {**message["header"], **({"run": RUN} if "run" in message["header"] else {})}
            parts = (part.encode() for part in message.get("parts", []))
            found.append(b"\n".join([orjson.dumps(header), *parts]))
    return found


MESSAGES = st.sampled_from(_examples())
_FIELDS = st.sampled_from(
    ["at", "id", "summary", "ts", "name", "delivery_ts", "key", "level", "msg", "status", "headers",
     "encoding", "ok", "error", "reuse", "description", "t", "run"]
)  # fmt: skip


def _with_fields(message: bytes, fields: dict[str, Any], part: bytes | None) -> bytes:
    """A good message with some fields of other types, and another part."""
    head, newline, rest = message.partition(b"\n")
    header = json.dumps({**json.loads(head), **fields}).encode()
    return header + (newline + rest if part is None else b"\n" + part.replace(b"\n", b" "))


BODIES = st.one_of(
    MESSAGES,
    mutated(MESSAGES),
    st.builds(
        _with_fields,
        MESSAGES,
        st.dictionaries(_FIELDS, VALUES, max_size=2),
        st.none() | JSON_BYTES,
    ),
    st.binary(max_size=80),
)


def _cut(stream: bytes) -> tuple[list[bytes], bool]:
    """A second reading: of the whole stream at once."""
    bodies: list[bytes] = []
    while len(stream) >= 4:
        size = int.from_bytes(stream[:4], "big")
        if size == 0 or size > MAX_FRAME:
            return bodies, True
        if len(stream) < 4 + size:
            break
        bodies.append(stream[4 : 4 + size])
        stream = stream[4 + size :]
    return bodies, False


_FRAMES = st.lists(
    st.binary(min_size=1, max_size=40).map(lambda body: len(body).to_bytes(4, "big") + body)
    | st.binary(max_size=6)
).map(b"".join)


@given(_FRAMES, st.lists(st.integers(1, 30), max_size=60))
@example(b"\0\0\0\1a\xff\xff\xff\xff", [9])
@example(b"\0\0\0\1a\0\0\0\0", [1] * 9)
def test_frames_are_the_same_however_the_stream_was_cut(stream: bytes, steps: list[int]) -> None:
    """Also those before bytes that are no frame."""
    bodies, broken = _cut(stream)
    decoder, found, at = Decoder(), [], 0
    refused = False
    try:
        for step in [*steps, len(stream)]:
            for body in decoder.feed(stream[at : at + step]):
                found.append(body)
            at += step
    except Violation:
        refused = True
    assert found == bodies
    assert refused == broken


def _plain(text: str) -> bool:
    return "\0" not in text and text.encode() is not None


# These once went through, and no column took them: the commit of the run failed.
_WIDE = b'{"t":"emit","run":"r","at":1,"%s":1%s,"summary":"\\ud800"}\n1'


@given(BODIES, st.sampled_from([RUN, None]), st.booleans())
@example(_WIDE % (b"ts", b"0" * 30), RUN, False)
@example(_WIDE % (b"id", b"0" * 30), RUN, False)
@example(_WIDE % (b"id", b"e999"), RUN, False)
def test_a_body_is_a_message_of_the_right_types_or_a_violation(
    body: bytes, run_id: str | None, asked: bool
) -> None:
    try:
        message = parse(body, run_id, Limits(), asked_options=asked)
    except Violation:
        return
    part = body.partition(b"\n")[2]
    if run_id is None:
        assert isinstance(message, Loaded | Failed)
    elif asked:
        assert not isinstance(message, Emit | StoreChange | Respond | Loaded | Failed)
    if isinstance(message, Emit):
        assert message.payload == part, "byte for byte"
        json.loads(part)
        assert _plain(message.channel)
        assert not message.channel.startswith("$")
        assert all(_plain(value) for value in message.meta.values() if isinstance(value, str))
        orjson.dumps(message.meta)
    elif isinstance(message, StoreChange):
        assert _plain(message.key)
        assert message.value in (None, part)
    elif isinstance(message, LogLine):
        orjson.dumps([message.at_ms, message.message])
    elif isinstance(message, Respond):
        assert 200 <= message.status <= 599
        for name, value in message.headers.items():
            assert not set(name + value) & set("\r\n\0")
            value.encode()
    elif isinstance(message, Loaded):
        orjson.dumps(message.description.props)
        assert _plain(message.description.name)
    elif isinstance(message, Failed | Done) and message.error is not None:
        error = message.error
        assert all(_plain(text) for text in (error.name, error.message, error.stack or ""))


def _depth(value: Any) -> int:
    deepest, layer = 0, [value]
    while layer := [
        item
        for one in layer
        if isinstance(one, dict | list)
        for item in [*(one.values() if isinstance(one, dict) else one), None]
    ]:
        deepest += 1
    return deepest


def _finite(text: str) -> float:
    if float(text) in (float("inf"), float("-inf")):
        raise ValueError(text)
    return float(text)


def _constant(name: str) -> None:
    raise ValueError(name)


@given(JSON_BYTES | DEEP.map(as_bytes) | JSON_TEXT.map(as_bytes))
@example(b"[" * 256 + b"]" * 256)
@example(b"[" * 257 + b"]" * 257)
@example(b'"' + b"[" * 300 + b'"')
@example(b"1" * 5000)
@example(b"[1e999]")
@example(b'"Infinity"')
@example(b'["\\ud800", 1e999]')
@example(b"1" * 309)
@example(b"9" * 308)
def test_a_payload_passes_exactly_when_the_json_module_reads_it(part: bytes) -> None:
    """A number may have any digits that are finite as a double."""
    limits = Limits()
    try:
        value = json.loads(
            part.decode(), parse_constant=_constant, parse_int=_finite, parse_float=_finite
        )
        good = _depth(value) <= limits.nesting
    except (ValueError, RecursionError):
        good = False
    try:
        check_payload(part, limits)
    except Violation:
        assert not good
    else:
        assert good
