"""Calling Django's WSGI handler from the edge: the environ in, a reply out."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any
from urllib.parse import unquote_to_bytes

from django.conf import settings

from apps.api.proxies import Network, client_address, parse
from apps.api.replies import Reply, Scope

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def call(wsgi: Wsgi, environ: dict[str, Any]) -> Reply:
    """Blocks for as long as the view does."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
        started.append((status, headers))

    result = wsgi(environ, start_response)
    try:
        body = b"".join(result)
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()
    status, headers = started[0]
    return Reply(
        int(status[:3]),
        [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        body,
    )


@cache
def _trusted() -> tuple[Network, ...]:
    return tuple(parse(entry) for entry in settings.TRUSTED_PROXIES)


def environ_of(scope: Scope, body: bytes) -> dict[str, Any]:
    """The WSGI environ of the request, as PEP 3333 wants it."""
    raw_path = scope.get("raw_path") or scope["path"].encode()
    server = scope.get("server") or ("127.0.0.1", 0)
    client = scope.get("client") or ("", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(raw_path.partition(b"?")[0]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "CONTENT_TYPE": "",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client_address(client[0], scope["headers"], _trusted()),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        # An underscore would let `x_real_ip` pass for `x-real-ip`.
        if b"_" in name or name in (b"content-length", b"transfer-encoding"):
            continue
        key = name.decode("latin-1").upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if environ.get(key) else text
    return environ
