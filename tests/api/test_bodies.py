"""Bodies and parameters that are refused, and how: the table "API bodies and parameters"."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api, assert_error


def _in_props(text: bytes) -> bytes:
    return b'{"component_id": "sc_000000", "configured_props": {"url": %b}}' % text


# id → (body, code); all of them 400.
REFUSED: dict[str, tuple[bytes, str]] = {
    "list": (b"[]", "invalid_json"),
    "text": (b'"x"', "invalid_json"),
    "null": (b"null", "invalid_json"),
    "number": (b"1", "invalid_json"),
    "truncated": (b'{"component_id": "sc_0', "invalid_json"),
    "trailing": (b"{} {}", "invalid_json"),
    "single quotes": (b"{'a': 1}", "invalid_json"),
    "duplicate key": (b'{"name": "a", "name": "b"}', "invalid_json"),
    "duplicate key inside": (_in_props(b'{"a": 1, "a": 1}'), "invalid_json"),
    "100,000 brackets": (b"[" * 100_000, "too_deep"),
    "1,000 levels": (_in_props(b"[" * 1000 + b"]" * 1000), "too_deep"),
    "65 levels": (_in_props(b"[" * 63 + b"]" * 63), "too_deep"),
    "5,000 digits": (_in_props(b"1" * 5000), "invalid_json"),
    "10^30": (_in_props(b"1" + b"0" * 30), "invalid_json"),
    "-10^30": (_in_props(b"-1" + b"0" * 30), "invalid_json"),
    "NaN": (_in_props(b"NaN"), "invalid_json"),
    "Infinity": (_in_props(b"Infinity"), "invalid_json"),
    "-Infinity": (_in_props(b"-Infinity"), "invalid_json"),
    "1e999": (_in_props(b"1e999"), "invalid_json"),
    "NUL escaped": (_in_props(b'"a\\u0000b"'), "invalid_parameter"),
    "NUL raw": (_in_props(b'"a\x00b"'), "invalid_json"),
    "NUL in a key": (_in_props(b'{"a\\u0000": 1}'), "invalid_parameter"),
    "NUL at top": (b'{"component_id": "sc_\\u0000"}', "invalid_parameter"),
    "lone surrogate": (_in_props(b'"\\ud800"'), "invalid_parameter"),
    "surrogates swapped": (_in_props(b'"\\udc00\\ud800"'), "invalid_parameter"),
    "bad UTF-8": (_in_props(b'"\xff"'), "invalid_json"),
    "encoded surrogate": (_in_props(b'"\xed\xa0\x80"'), "invalid_json"),
    "BOM": (b"\xef\xbb\xbf{}", "invalid_json"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "invalid_json"),
    "empty where one is needed": (b"", "invalid_parameter"),
    "blank": (b"  \n", "invalid_parameter"),
    "empty object": (b"{}", "invalid_parameter"),
}


# What the text of the error must say, where the code alone does not tell why it was refused.
REASONS = {
    "duplicate key": "twice",
    "duplicate key inside": "twice",
    "5,000 digits": "64 bits",
    "10^30": "64 bits",
    "-10^30": "64 bits",
    "NaN": "NaN is not JSON",
    "1e999": "out of range",
    "NUL escaped": "NUL",
    "NUL in a key": "NUL",
    "NUL at top": "NUL",
    "lone surrogate": "surrogate",
    "surrogates swapped": "surrogate",
    "bad UTF-8": "not UTF-8",
    "encoded surrogate": "not UTF-8",
    "BOM": "byte order mark",
    "UTF-16": "byte order mark",
    "list": "object",
    "null": "object",
}


@pytest.mark.parametrize("path", ["/sources", "/components"])
@pytest.mark.parametrize("name", REFUSED)
def test_t7_body_is_refused(alice: Api, name: str, path: str) -> None:
    body, code = REFUSED[name]
    error = assert_error(alice.call("POST", path, body), 400, code=code)
    assert REASONS.get(name, "") in error["error"]


def test_t7_truncated_json_tells_the_position(alice: Api) -> None:
    body = assert_error(alice.call("POST", "/sources", b'{\n "name": "x"'), 400)
    assert body["details"] == {"position": 14, "line": 2, "column": 13}
    assert "position 14" in body["error"]


def test_64_levels_are_fine(alice: Api) -> None:
    body = _in_props(b"[" * 62 + b"]" * 62)
    # The component does not exist; the body was read.
    assert_error(alice.call("POST", "/sources", body), 400, parameter="component_id")


def test_pair_of_surrogates_and_64_bits_are_fine(alice: Api) -> None:
    for text in (b'"\\ud83d\\ude00"', str(2**64 - 1).encode(), str(-(2**63)).encode(), b"1e308"):
        response = alice.call("POST", "/sources", _in_props(text))
        assert_error(response, 400, parameter="component_id")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-yaml",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/json; charset=nonsense",
        "application/jsonx",
        "nonsense",
        "",
    ],
)
def test_t6_another_content_type_is_415(alice: Api, content_type: str) -> None:
    response = alice.call("POST", "/sources", b'{"name": "x"}', content_type=content_type)
    assert_error(response, 415, code="unsupported_media_type")


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON", 'application/json; charset="UTF-8"'],
)
def test_t5_json_content_type_with_parameters_is_fine(alice: Api, content_type: str) -> None:
    response = alice.call("POST", "/sources", b"{}", content_type=content_type)
    assert_error(response, 400, code="invalid_parameter")


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "br", "deflate"])
def test_compressed_body_is_415(alice: Api, encoding: str) -> None:
    response = alice.call("POST", "/sources", b"\x1f\x8b", **{"content-encoding": encoding})
    assert_error(response, 415)


def test_body_over_the_limit_is_413(alice: Api) -> None:
    body = b'{"name": "%b"}' % (b"x" * 1024 * 1024)
    assert_error(alice.call("POST", "/sources", body), 413, code="too_large")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", 1),
        ("name", ""),
        ("name", "   "),
        ("name", "x" * 10_240),
        ("name", "a\nb"),
        ("name", "a\u202eb"),
        ("name", ["x"]),
        ("configured_props", []),
        ("configured_props", "x"),
        ("active", 1),
        ("active", "true"),
        ("component_id", 7),
        ("component_code", {"a": 1}),
        ("component_url", 7),
        ("include", 7),
    ],
)
def test_field_of_the_wrong_type_or_form_is_400(alice: Api, field: str, value: Any) -> None:
    body = {"component_code": "x", field: value}
    assert_error(alice.call("POST", "/sources", body), 400, parameter=field)


def test_script_as_a_name_is_data(alice: Api) -> None:
    """Stored as it is: JSON escapes nothing away, HTML pages escape when they show it."""
    body = {"component_id": "sc_000000", "name": "<script>alert(1)</script>"}
    assert_error(alice.call("POST", "/sources", body), 400, parameter="component_id")


@pytest.mark.parametrize(
    "limit", ["0", "-1", "101", "1000000000", "abc", "1.0", "", "١", "9" * 5000]
)
@pytest.mark.parametrize("path", ["/users/me/sources", "/users/me/components"])
def test_q2_limit_out_of_range_is_400(alice: Api, path: str, limit: str) -> None:
    assert_error(alice.get(f"{path}?limit={limit}"), 400, parameter="limit")


def test_limit_error_text(alice: Api) -> None:
    response = alice.get("/users/me/sources?limit=101")
    assert response.content == (
        b'{"error":"limit must be between 1 and 100","code":"invalid_parameter",'
        b'"details":{"parameter":"limit"}}'
    )


@pytest.mark.parametrize("cursor", ["x", "%00", "ZGNf", "%F0%9F%98%80", "c2NfMDAwMDAw", "a" * 5000])
def test_forged_cursor_is_400(alice: Api, cursor: str) -> None:
    for parameter in ("after", "before"):
        response = alice.get(f"/users/me/sources?{parameter}={cursor}")
        assert_error(response, 400, parameter=parameter)


def test_nul_in_the_query_is_400(alice: Api) -> None:
    assert_error(alice.get("/users/me?include=a%00"), 400, parameter="include")


def test_1001_query_parameters_are_400(alice: Api) -> None:
    query = "&".join(f"a{number}=1" for number in range(1001))
    assert_error(alice.get(f"/users/me?{query}"), 400)


def test_unknown_query_parameters_are_ignored(alice: Api) -> None:
    assert alice.get("/users/me?nonsense=1").status_code == 200
