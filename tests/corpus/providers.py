"""Stand-ins of providers: one HTTPS server that answers under all their names.

A test serves a table of routes and compares what a component emitted with what it served. What no
route answers is a 404 and is remembered in `strays`; where a route's own assertion fails, in
`failures`.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.certificates import certificate


@dataclass(frozen=True, slots=True)
class Request:
    """One request; header names in lower case, the last of several values of a query's name."""

    method: str
    host: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def url(self) -> str:
        return f"https://{self.host}{self.path}"

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))


@dataclass(frozen=True, slots=True)
class Reply:
    """`body`: text as it is, anything else as JSON."""

    body: Any = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = Any | Callable[[Request], Any]


@dataclass(frozen=True, slots=True)
class _Route:
    method: str
    url: str
    answer: Answer
    bearer: str | None


class Providers:
    """The server, a context manager. `hosts` are all names that it ever answers for."""

    def __init__(self, folder: Path, hosts: Iterable[str]) -> None:
        self.hosts = tuple(hosts)
        self.ca, context = certificate(folder, *self.hosts)
        self.asked: list[Request] = []
        self.strays: list[Request] = []
        self.failures: list[Exception] = []
        self._routes: list[_Route] = []
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def resolve(self) -> tuple[str, ...]:
        """For EGRESS_RESOLVE."""
        return tuple(f"{host}=127.0.0.1:{self.port}" for host in self.hosts)

    def on(self, method: str, url: str, answer: Answer, bearer: str | None = None) -> None:
        """Answer `method url` (without its query) by a value, a `Reply`, or what a function makes
        of the request. `bearer`: the token without which it is a 401. Later routes win; a `*` in
        the address stands for one part of its path, `**` for any number of them."""
        self._routes.insert(0, _Route(method, url, answer, bearer))

    def get(self, url: str, answer: Answer, bearer: str | None = None) -> None:
        self.on("GET", url, answer, bearer)

    def post(self, url: str, answer: Answer, bearer: str | None = None) -> None:
        self.on("POST", url, answer, bearer)

    def delete(self, url: str, answer: Answer = "", bearer: str | None = None) -> None:
        self.on("DELETE", url, answer, bearer)

    def calls(self, method: str, url: str) -> list[Request]:
        """The requests of that kind, in order."""
        return [r for r in self.asked if r.method == method and _matches(url, r)]

    def clear(self) -> None:
        self.asked.clear()
        self.strays.clear()
        self.failures.clear()
        self._routes.clear()

    def answer(self, request: Request) -> Reply:
        self.asked.append(request)
        for route in self._routes:
            if route.method != request.method or not _matches(route.url, request):
                continue
            if route.bearer is not None:
                given = request.headers.get("authorization", "")
                if given != f"Bearer {route.bearer}":
                    return Reply({"error": "unauthorized"}, 401)
            try:
                answer = route.answer(request) if callable(route.answer) else route.answer
            except Exception as error:
                self.failures.append(error)
                return Reply({"error": repr(error)}, 500)
            return answer if isinstance(answer, Reply) else Reply(answer)
        self.strays.append(request)
        return Reply({"error": f"no such route: {request.method} {request.url}"}, 404)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(20)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        providers = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                reply = providers.answer(self._request())
                text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
                kind = "text/plain" if isinstance(reply.body, str) else "application/json"
                body = text.encode()
                self.send_response(reply.status)
                headers = {"Content-Type": f"{kind}; charset=utf-8", **reply.headers}
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def _request(self) -> Request:
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                length = int(headers.get("content-length", 0))
                return Request(
                    method=self.command,
                    host=headers.get("host", "").partition(":")[0],
                    path=unquote(parts.path),
                    query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                    headers=headers,
                    body=self.rfile.read(length),
                )

            def log_message(self, format: str, *args: object) -> None:
                """Tests read `asked`."""

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A stack dials many at once; beyond the queue the kernel drops what a client takes for a
    # connection, which then answers after seconds.
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is nothing to print."""


def _matches(url: str, request: Request) -> bool:
    pattern = re.escape(url).replace(r"\*\*", ".*").replace(r"\*", "[^/]+")
    return re.fullmatch(pattern, request.url) is not None


def pages(items: list[Any], size: int) -> list[list[Any]]:
    """The items by pages; at least one page."""
    return [items[at : at + size] for at in range(0, max(len(items), 1), size)]
