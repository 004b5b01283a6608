"""Plain HTTP servers for tests, on loopback or wherever the calling thread is."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Prints nothing."""

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server:
    """`handler` answers, each request in a thread of its own, until `close`."""

    def __init__(self, handler: type[Handler], address: str = "127.0.0.1") -> None:
        self._server = ThreadingHTTPServer((address, 0), handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_port
        self.address = f"http://{address}:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, path: str) -> str:
        return self.address + path

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass(frozen=True, slots=True)
class Posted:
    path: str
    # By names in lower case.
    headers: Mapping[str, str]
    # Unpacked, where it was packed.
    body: bytes


class Receiver(Server):
    """Takes what is posted to it; `got` has it all."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.got: list[Posted] = []
        receiver = self

        class Taking(Handler):
            def do_POST(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers.get("content-length") or 0))
                if headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                posted = Posted(self.path, headers, body)
                receiver.got.append(posted)
                self.send_response(receiver.take(posted))
                self.end_headers()

        super().__init__(Taking, address)

    def take(self, posted: Posted) -> int:
        """The status that it is answered with."""
        return 204
