"""Reading what a client sends, bounded in bytes, headers and time, before a thread is taken."""

from __future__ import annotations

import asyncio

from django.conf import settings

from apps.api.replies import Receive, Scope
from apps.core import errors
from apps.core.errors import ApiError

# A whole body must have arrived after this time, however slowly it comes.
BODY_SECONDS = 30.0
MAX_HEADERS = 200
HEADER_BYTES = 48 * 1024


class ClientGone(Exception):
    """The client closed the connection before its body was complete: nobody to answer."""


def check_headers(scope: Scope) -> None:
    """Raises 431. The server itself refuses more than a hundred, or 400 KB, without asking us."""
    headers = scope["headers"]
    size = sum([len(name) + len(value) for name, value in headers])
    if len(headers) > MAX_HEADERS or size > HEADER_BYTES:
        raise ApiError(431, "headers_too_large", f"the headers have over {HEADER_BYTES} bytes")


async def read_body(scope: Scope, receive: Receive, seconds: float, limit: int = 0) -> bytes:
    """The whole body. Raises 413 as soon as it is known to be too large, 408 when it is too slow,
    400 when its length is told in two ways (a smuggler's trick). Without `limit`: the API's."""
    limit = limit or settings.API_BODY_BYTES
    told = dict(scope["headers"])
    length = told.get(b"content-length")
    if length is not None and b"transfer-encoding" in told:
        raise errors.bad_request(
            "bad_request", "Content-Length and Transfer-Encoding exclude each other"
        )
    if length is not None and length.isdigit() and int(length[:18]) > limit:
        raise errors.too_large(None, limit)
    bodiless = length == b"0" or (length is None and b"transfer-encoding" not in told)
    if bodiless and scope["http_version"] != "2":
        return b""
    try:
        async with asyncio.timeout(seconds):
            return await _collect(receive, limit)
    except TimeoutError:
        raise ApiError(408, "timeout", f"the body did not arrive in {seconds:g} s") from None


async def _collect(receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise errors.too_large(None, limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)
