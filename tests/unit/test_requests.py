"""The event made of an HTTP request (component specification 5.2)."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.api import requests

FORM = "application/x-www-form-urlencoded"


def make(
    body: bytes = b"",
    content_type: str | None = None,
    *,
    method: str = "POST",
    path: str = "/",
    query: bytes = b"",
    headers: list[tuple[bytes, bytes]] | None = None,
) -> Any:
    sent = list(headers or [])
    if content_type is not None:
        sent.append((b"content-type", content_type.encode("latin-1")))
    return orjson.loads(requests.event(method, path, query, sent, body))


def test_exactly_these_keys() -> None:
    assert make() == {
        "method": "POST", "path": "/", "query": {}, "headers": {}, "bodyRaw": "", "body": None,
    }  # fmt: skip


def test_the_method_is_upper_case_and_the_path_is_at_least_a_slash() -> None:
    event = make(method="post", path="")
    assert (event["method"], event["path"]) == ("POST", "/")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"a=1&a=2&b", {"a": "2", "b": ""}),
        (b"", {}),
        (b"%ff=%c3%bc&x+y=z%20", {"\ufffd": "ü", "x y": "z "}),
        (b"a=1=2&&;=3", {"a": "1=2", ";": "3"}),
        ("ü=ü".encode(), {"ü": "ü"}),
        (b"\xff=\xfe", {"\ufffd": "\ufffd"}),
    ],
)
def test_query(query: bytes, expected: dict[str, str]) -> None:
    assert make(query=query)["query"] == expected


def test_headers_are_lower_case_text_and_repeated_ones_are_joined() -> None:
    event = make(headers=[(b"X-Hub-Signature", b"a"), (b"x-hub-signature", b"b"), (b"y", b"\xfc")])
    assert event["headers"] == {"x-hub-signature": "a, b", "y": "ü"}


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=utf-8", "application/cloudevents+json"]
)
def test_json_is_parsed(kind: str) -> None:
    event = make(b'{"b": 1.0, "a": [null, "\xc3\xbc"]}', kind)
    assert event["body"] == {"b": 1.0, "a": [None, "ü"]}
    assert event["bodyRaw"] == '{"b": 1.0, "a": [null, "ü"]}'


def test_json_keeps_its_order_and_long_numbers_their_digits() -> None:
    body = b'{"z":1,"a":123456789012345678901234567890}'
    raw = requests.event("POST", "/", b"", [(b"content-type", b"application/json")], body)
    assert raw.endswith(b'"body":{"z":1,"a":123456789012345678901234567890}}')


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":', b"NaN", b"[1,]", b'"\xff"', b'{"a":"\\ud800"}', b"\xef\xbb\xbf{}",
        b"[" * 256 + b"]" * 256, b"[" * 100_000, b"9" * 5000, b"nonsense",
    ],
)  # fmt: skip
def test_bad_json_is_raw_text(body: bytes) -> None:
    event = make(body, "application/json")
    assert event["body"] == event["bodyRaw"]
    assert event["bodyRaw"].encode("utf-8" if body != b'"\xff"' else "latin-1") == body


def test_json_as_deep_as_an_event_may_be_is_parsed() -> None:
    body = b"[" * 255 + b"]" * 255
    assert isinstance(make(body, "application/json")["body"], list)
    wide = b"[" + b"[]," * 1000 + b"[]]"
    assert len(make(wide, "application/json")["body"]) == 1001


def test_a_json_body_that_imitates_files_is_plain_data() -> None:
    imitation = {"file": {"filename": "../x", "mimetype": "text/html", "url": "file:///etc"}}
    assert make(orjson.dumps(imitation), "application/json")["body"] == imitation


def test_a_form_is_an_object() -> None:
    event = make(b"Body=Hi+there&From=%2B4912&Body=last&empty=", FORM)
    assert event["body"] == {"Body": "last", "From": "+4912", "empty": ""}


def test_a_form_without_an_equals_sign_is_text() -> None:
    """A documented sample posts JSON under curl's default type."""
    assert make(b'{"name":"Ada"}', FORM)["body"] == '{"name":"Ada"}'


BOUNDARY = "multipart/form-data; boundary=xyz"


def _part(disposition: str, content: bytes, kind: str | None = None) -> bytes:
    head = f"--xyz\r\nContent-Disposition: form-data; {disposition}\r\n"
    if kind:
        head += f"Content-Type: {kind}\r\n"
    return head.encode() + b"\r\n" + content + b"\r\n"


def test_multipart_fields_and_files() -> None:
    body = (
        _part('name="a"', "ü".encode())
        + _part('name="a"', b"last")
        + _part('name="file"; filename="../../x.bin"', b"\x00\xff\r\n", "image/png")
        + _part('name="empty"; filename="e.txt"', b"")
        + b"--xyz--\r\n"
    )
    event = make(body, BOUNDARY)
    assert event["body"]["a"] == "last"
    assert event["body"]["file"] == {
        "filename": "x.bin", "mimetype": "image/png", "url": "data:image/png;base64,AP8NCg==",
    }  # fmt: skip
    assert event["body"]["empty"]["url"].endswith(";base64,")
    assert event["bodyRaw"].encode("latin-1") == body


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=" + "x" * 300, b"--x\r\n"),
        (BOUNDARY, b"".join(_part(f'name="a{i}"', b"1") for i in range(1001)) + b"--xyz--\r\n"),
        (BOUNDARY, _part('name="a"', b"1").replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding:"
                                                   b" base64\r\n\r\n!") + b"--xyz--\r\n"),
    ],
    ids=["no boundary", "long boundary", "1001 fields", "bad base64"],
)  # fmt: skip
def test_multipart_that_cannot_be_read_is_raw_text(kind: str, body: bytes) -> None:
    event = make(body, kind)
    assert event["bodyRaw"].encode() == body
    assert event["body"] == event["bodyRaw"] or isinstance(event["body"], dict)


@pytest.mark.parametrize("kind", [None, "", "text/plain", "image/png", "a/b; c", "\xff"])
def test_anything_else_is_raw_text(kind: str | None) -> None:
    assert make(b"some text", kind)["body"] == "some text"


@given(st.binary(max_size=300), st.sampled_from(["text/plain", "application/json", FORM, BOUNDARY]))
def test_no_byte_is_lost_and_nothing_fails(body: bytes, kind: str) -> None:
    raw = make(body, kind)["bodyRaw"]
    try:
        expected = body.decode()
    except UnicodeDecodeError:
        expected = body.decode("latin-1")
    assert raw == expected


def test_a_signature_over_the_raw_body_can_be_checked() -> None:
    body = '{"text": "ü  \\u00fc"}\n'.encode()
    signed = hmac.new(b"secret", body, hashlib.sha256).hexdigest()
    event = make(body, "application/json", headers=[(b"x-signature", signed.encode())])
    again = hmac.new(b"secret", event["bodyRaw"].encode(), hashlib.sha256).hexdigest()
    assert again == event["headers"]["x-signature"]
