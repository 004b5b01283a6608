"""The event of an HTTP request (component specification 5.2). Pure.

Exactly the keys `method`, `path`, `query`, `headers`, `bodyRaw`, `body`. The raw body is text:
UTF-8, or latin-1 where it is not, so that every byte survives for a signature.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

import orjson
from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http.multipartparser import MultiPartParser, MultiPartParserError

# Levels of an event; its body is one less, being a field of it.
NESTING = 256
# What the fast writer can write.
FAST_NESTING = 200
# A number that does not fit 64 bits would lose digits in the fast parser.
LONG_DIGITS = 16
_LONG_NUMBER = re.compile(rb"[0-9]{%d}" % LONG_DIGITS)
_JSON_TYPE = re.compile(r"application/(?:[\w.+-]+\+)?json\Z")


def event(
    method: str, path: str, query: bytes, headers: Iterable[tuple[bytes, bytes]], body: bytes
) -> bytes:
    """Compact JSON of the event. `path` is what follows the endpoint, at least `/`."""
    named: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        named[name] = f"{named[name]}, {value}" if name in named else value
    raw = _text(body)
    parsed, exact = _body(named.get("content-type", ""), body, raw)
    head = orjson.dumps(
        {
            "method": method.upper(),
            "path": path or "/",
            "query": dict(parse_qsl(query.decode(errors="replace"), keep_blank_values=True)),
            "headers": named,
            "bodyRaw": raw,
        }
    )
    return b'%b,"body":%b}' % (head[:-1], exact or orjson.dumps(parsed))


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("latin-1")


def _body(content_type: str, body: bytes, raw: str) -> tuple[Any, bytes | None]:
    """The body by its declared type, and its JSON text where that must not be made from it anew."""
    if not body:
        return None, None
    kind = content_type.partition(";")[0].strip().lower()
    if _JSON_TYPE.match(kind):
        return _json(body, raw)
    if kind == "application/x-www-form-urlencoded" and "=" in raw:
        return dict(parse_qsl(raw, keep_blank_values=True)), None
    if kind == "multipart/form-data":
        return _multipart(content_type, body, raw), None
    return raw, None


def _json(body: bytes, raw: str) -> tuple[Any, bytes | None]:
    """Bad JSON, and JSON nested deeper than an event may be, is passed on as text."""
    try:
        value = orjson.loads(body)
        # No deeper than it has brackets: most bodies need not be walked.
        depth = body.count(b"[") + body.count(b"{")
        if depth > FAST_NESTING:
            depth = _depth(value)
        if depth >= NESTING:
            return raw, None
        if depth <= FAST_NESTING and not _has_long_number(body):
            return value, None
        exact = json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False)
        return value, exact.encode()
    except (ValueError, RecursionError):
        return raw, None


def _has_long_number(body: bytes) -> bool:
    # Most bodies are through with their digits counted, a tenth of the time of a search.
    digits = len(body) - len(body.translate(None, b"0123456789"))
    return digits >= LONG_DIGITS and _LONG_NUMBER.search(body) is not None


def _depth(value: Any) -> int:
    """Levels of arrays and objects; counted no further than an event may have."""
    depth, layer = 0, [value] if isinstance(value, dict | list) else []
    while layer and depth < NESTING:
        depth += 1
        inside = [v.values() if isinstance(v, dict) else v for v in layer]
        layer = [item for items in inside for item in items if isinstance(item, dict | list)]
    return depth


def _multipart(content_type: str, body: bytes, raw: str) -> Any:
    """Fields by name; a file is `{filename, mimetype, url}` with its content as a data URL."""
    meta = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body))}
    try:
        handlers = [_Files()]
        fields, files = MultiPartParser(meta, io.BytesIO(body), handlers).parse()
    except (MultiPartParserError, SuspiciousOperation, ValueError):
        return raw
    out: dict[str, Any] = dict(fields.items())
    for name, file in files.items():
        assert isinstance(file, UploadedFile)
        kind = file.content_type or "application/octet-stream"
        content = base64.b64encode(file.read()).decode()
        url = f"data:{kind};base64,{content}"
        out[name] = {"filename": file.name, "mimetype": kind, "url": url}
    return out


class _Files(MemoryFileUploadHandler):
    """Keeps files in memory: the body has its cap already."""

    def handle_raw_input(self, *_args: Any, **_kwargs: Any) -> None:
        self.activated = True
