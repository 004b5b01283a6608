"""Hosts that code is fetched from, on loopback under their own names, over TLS.

`Hosts` answers for every name it was made for; `environment()` are the settings with which the
platform finds it there. The client's name resolution, policy and TLS are the real ones.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

from apps.core.addresses import Policy
from apps.core.http import Client
from apps.core.names import by_table
from tests.certificates import certificate

RAW = "raw.githubusercontent.com"
GIST = "gist.githubusercontent.com"


@dataclass(frozen=True, slots=True)
class Sent:
    """What is answered for one path. `drip_s`: between the bytes of the body; `length`: what the
    header says instead of the truth."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    drip_s: float = 0


class Hosts:
    """`serve("host", "/path?query", text or Sent)`; `asked` lists `host/path` as they came."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.names = names
        self.ca, context = certificate(folder, *names)
        self.asked: list[str] = []
        self._answers: dict[str, Sent] = {}
        self._server = _server(self, context)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def serve(self, host: str, path: str, answer: str | bytes | Sent) -> None:
        if isinstance(answer, str):
            answer = answer.encode()
        self._answers[host + path] = Sent(answer) if isinstance(answer, bytes) else answer

    def answer(self, place: str) -> Sent:
        self.asked.append(place)
        return self._answers.get(place, Sent(b"404: Not Found", 404))

    def clear(self) -> None:
        self.asked.clear()
        self._answers.clear()

    def environment(self) -> dict[str, str]:
        """The settings for a process."""
        return {
            "EGRESS_RESOLVE": ",".join(self.resolve),
            "EGRESS_ALLOW": f"127.0.0.1/32:{self.port}",
            "EGRESS_CA": str(self.ca),
        }

    def client(self, seconds: float = 20) -> Client:
        """The platform's client with these settings."""
        return Client(
            Policy([f"127.0.0.1/32:{self.port}"]),
            seconds=seconds,
            resolve=by_table(self.resolve),
            ca=str(self.ca),
        )

    @property
    def resolve(self) -> list[str]:
        return [f"{name}=127.0.0.1:{self.port}" for name in self.names]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _value: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(20)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up, or does not believe the certificate, is nothing to print."""


def _server(hosts: Hosts, context: ssl.SSLContext) -> _Server:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            host = (self.headers["Host"] or "").partition(":")[0]
            sent = hosts.answer(host + self.path)
            self.send_response(sent.status)
            headers = {"Content-Type": "text/plain; charset=utf-8", **sent.headers}
            headers.setdefault("Content-Length", str(len(sent.body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if not sent.drip_s:
                self.wfile.write(sent.body)
                return
            for n in range(len(sent.body)):
                self.wfile.write(sent.body[n : n + 1])
                time.sleep(sent.drip_s)

        def log_message(self, format: str, *args: object) -> None:
            """Tests read `asked`."""

    server = _Server(("127.0.0.1", 0), Handler)
    # The handshake belongs to the thread of the connection, not to the one that accepts.
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    return server
