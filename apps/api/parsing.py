"""JSON bodies, read strictly: what other parsers let pass, or repair, is refused with a reason.

Refused with 400: duplicate keys, nesting over 64 levels, NaN and infinities (also by overflow:
`1e999`), integers over 64 bits, lone surrogates, NUL, a byte order mark, bad UTF-8, anything but an
object at the top. Refused with 415: another content type or charset, any content encoding.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from email.message import Message
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework.parsers import BaseParser

from apps.core.errors import (
    ApiError,
    bad_request,
    invalid,
    too_large,
    unsupported_media_type,
)

MAX_DEPTH = 64
_INTEGER_DIGITS = 20
_INTEGER_MIN, _INTEGER_MAX = -(2**63), 2**64 - 1


class _Refused(ValueError):
    """Raised inside the decoder's hooks; must not be a JSONDecodeError."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Refused(f"the key {_shown(name)} appears twice in one object")
            seen.add(name)
    return found


def _integer(text: str) -> int:
    number = int(text) if len(text) <= _INTEGER_DIGITS + 1 else _INTEGER_MAX + 1
    if not _INTEGER_MIN <= number <= _INTEGER_MAX:
        raise _Refused(f"the integer {_shown(text)} has more than 64 bits")
    return number


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Refused(f"the number {_shown(text)} is out of range")
    return number


def _constant(text: str) -> NoReturn:
    raise _Refused(f"{text} is not JSON")


def _shown(text: str) -> str:
    short = text if len(text) <= 40 else text[:40] + "…"
    return json.dumps(short)


_decoder = json.JSONDecoder(
    object_pairs_hook=_pairs,
    parse_int=_integer,
    parse_float=_float,
    parse_constant=_constant,
)


def parse_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`; empty or blank text is `{}`. Raises ApiError 400."""
    if not raw.strip(b" \t\r\n"):
        return {}
    if raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise bad_request("invalid_json", "the body begins with a byte order mark")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise bad_request(
            "invalid_json", f"the body is not UTF-8 at byte {error.start}", position=error.start
        ) from None
    value = _decode(text)
    if not isinstance(value, dict):
        raise bad_request("invalid_json", "the body must be a JSON object")
    _check(value, 1, "body")
    return value


def _decode(text: str) -> Any:
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise bad_request(
            "invalid_json",
            f"the body is not valid JSON: {error.msg} at line {error.lineno},"
            f" column {error.colno} (position {error.pos})",
            position=error.pos,
            line=error.lineno,
            column=error.colno,
        ) from None
    except _Refused as error:
        raise bad_request("invalid_json", f"the body is not valid JSON: {error}") from None
    except RecursionError:
        raise _too_deep() from None


def _too_deep() -> ApiError:
    return bad_request("too_deep", f"the body is nested deeper than {MAX_DEPTH} levels")


def _check(value: Any, depth: int, where: str) -> None:
    """Depth, and what no text may hold. `where` names the top-level field in the error."""
    if isinstance(value, str):
        check_text(value, where)
    elif isinstance(value, dict):
        if depth > MAX_DEPTH:
            raise _too_deep()
        for name, inner in value.items():
            check_text(name, where)
            _check(inner, depth + 1, name if depth == 1 else where)
    elif isinstance(value, list):
        if depth > MAX_DEPTH:
            raise _too_deep()
        for inner in value:
            _check(inner, depth + 1, where)


def check_text(text: str, where: str) -> None:
    """Raises ApiError 400 when `text` cannot be stored as UTF-8 text in the database."""
    if "\0" in text:
        raise invalid(where, f"{where} holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise invalid(where, f"{where} holds half of a surrogate pair") from None


def check_content_type(content_type: str, content_encoding: str) -> None:
    """Raises ApiError 415 unless a body with these headers is plain JSON in UTF-8."""
    if content_encoding.strip().lower() not in ("", "identity"):
        raise unsupported_media_type("Content-Encoding is not supported: send the body as it is")
    message = Message()
    message["content-type"] = content_type
    if message.get_content_type() != "application/json" or not content_type:
        raise unsupported_media_type("Content-Type must be application/json")
    charset = message.get_param("charset", "utf-8")
    if not isinstance(charset, str) or charset.lower() not in ("utf-8", "utf8"):
        raise unsupported_media_type("the charset must be utf-8")


class StrictJSONParser(BaseParser):
    """The only parser: takes every content type, so that the refusal is worded here."""

    media_type = "*/*"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        meta = parser_context["request"].META if parser_context else {}
        # One byte more than allowed tells "too large" from "just fits".
        raw = stream.read(settings.API_BODY_BYTES + 1)
        if len(raw) > settings.API_BODY_BYTES:
            raise too_large(None, settings.API_BODY_BYTES)
        if raw:
            check_content_type(
                str(meta.get("CONTENT_TYPE", "")), str(meta.get("HTTP_CONTENT_ENCODING", ""))
            )
        return parse_object(raw)
