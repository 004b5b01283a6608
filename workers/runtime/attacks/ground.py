"""What attacks aim at, and who sees whether they hit: files, servers, a process, a name server.

All of it is this machine's own and made for the purpose; nothing is reached beyond loopback.
"""

from __future__ import annotations

import os
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import uuid
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import dns.exception
import dns.flags
import dns.message
import dns.rdataclass
import dns.rdatatype
import dns.rrset

ALLOWED, CLOSED = "127.0.0.2", "127.0.0.1"
NAME: Final = "rebinding.test"
_OFF_MACHINE: Final = ("169.254.169.254", "10.0.0.1", "64:ff9b::7f00:1")
"""Somebody listens there only where they are this machine's: in a network made for that."""
_ROOT: Final = Path(__file__).resolve().parents[3]
_CONTENT: Final = "as it was"


class Ground:
    """Enter it; `event()` is what attacks are told, `seen()` what they hit since it was last asked.

    Attacks are tried one at a time. `allow` are the entries of EGRESS_ALLOW and `resolver` the name
    server that the runtime needs for them.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._hits: list[str] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._unique = f"headwater-{uuid.uuid4().hex}"
            self._make_files(stack)
            self._make_servers(stack)
            self._start_bystander(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def allow(self) -> tuple[str, ...]:
        return (f"{ALLOWED}/32:{self._port}",)

    @property
    def resolver(self) -> tuple[str, int]:
        host, port = self._names.server_address[:2]
        return str(host), int(port)

    def event(self) -> dict[str, Any]:
        return {
            "secret": str(self._secret),
            "victim": str(self._victim),
            "project": str(_ROOT / "config/settings.py"),
            "harness": str(_ROOT / "workers/runtime/python/harness.py"),
            "unique": self._unique,
            "worker": os.getpid(),
            "bystander": self._bystander.pid,
            "allowed": ALLOWED,
            "closed": CLOSED,
            "port": self._port,
            "udp": self._udp.getsockname()[1],
            "unix": str(self._directory / "socket"),
            "name": NAME,
        }

    def seen(self) -> list[str]:
        """What was hit, put right again."""
        hits, self._hits = self._hits, []
        found = sorted(path.name for path in self._directory.iterdir())
        if found != ["secret", "socket", "victim"]:
            hits.append(f"the directory holds {', '.join(found)}")
        elif self._victim.read_text() != _CONTENT or self._victim.stat().st_mode & 0o777 != 0o666:
            hits.append("a file outside was changed")
        if not self._bystander_lives():
            hits.append("another process was killed")
            self._bystander = _echo()
        with suppress(BlockingIOError):
            while True:
                self._udp.recv(100)
                hits.append("a datagram arrived")
        Path("/dev/shm", self._unique).unlink(missing_ok=True)  # noqa: S108
        self._lay_out()
        return hits

    # ---------------------------------------------------------------- files

    def _make_files(self, stack: ExitStack) -> None:
        self._directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="attacks-")))
        self._directory.chmod(0o777)  # what protects it is the wall alone
        self._secret, self._victim = self._directory / "secret", self._directory / "victim"
        self._lay_out()

    def _lay_out(self) -> None:
        for path in self._directory.iterdir():
            if path.name not in ("secret", "socket", "victim"):
                path.rmdir() if path.is_dir() else path.unlink()
        for path, mode in ((self._secret, 0o644), (self._victim, 0o666)):
            path.write_text(_CONTENT)
            path.chmod(mode)

    # ---------------------------------------------------------------- servers

    def _make_servers(self, stack: ExitStack) -> None:
        closed = _serve(stack, self._witness("the closed port"), (CLOSED, 0))
        self._port = int(closed.server_address[1])
        _serve(stack, _Open, (ALLOWED, self._port))
        others = ["::1"] if socket.has_dualstack_ipv6() else []
        for host in (*others, *_OFF_MACHINE):
            with suppress(OSError):
                _serve(stack, self._witness(host), (host, self._port))
        self._listen(stack, str(self._directory / "socket"))
        self._listen(stack, "\0" + self._unique)
        self._udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._udp.bind((CLOSED, 0))
        self._udp.setblocking(False)
        self._names = _NameServer((CLOSED, 0), _Rebinding)
        _run(stack, self._names)

    def _witness(self, name: str) -> type[BaseHTTPRequestHandler]:
        hits = self._hit

        class Witness(_Open):
            def setup(self) -> None:
                hits(f"{name} was reached")
                super().setup()

        return Witness

    def _hit(self, what: str) -> None:
        self._hits.append(what)

    def _listen(self, stack: ExitStack, address: str) -> None:
        server = stack.enter_context(socket.socket(socket.AF_UNIX))
        server.bind(address)
        server.listen()
        if not address.startswith("\0"):
            Path(address).chmod(0o777)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    with server.accept()[0] as connection:
                        self._hits.append("a UNIX socket was reached")
                        connection.sendall(b"hello")

        threading.Thread(target=serve, daemon=True).start()
        stack.callback(server.shutdown, socket.SHUT_RDWR)

    # ---------------------------------------------------------------- processes

    def _start_bystander(self, stack: ExitStack) -> None:
        self._bystander = _echo()
        stack.callback(lambda: self._bystander.__exit__(None, None, None))
        stack.callback(lambda: self._bystander.kill())

    def _bystander_lives(self) -> bool:
        """It gives back what it is given; who was sent SIGKILL never does, however slow its end."""
        given, taken = self._bystander.stdin, self._bystander.stdout
        assert given is not None
        assert taken is not None
        with suppress(BrokenPipeError):
            given.write(b"x")
        if taken.read(1) == b"x":
            return True
        with suppress(BrokenPipeError):
            self._bystander.__exit__(None, None, None)
        return False


def _echo() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-S", "-c", "import os\nwhile os.write(1, os.read(0, 1)): pass"],
        env={},
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


class _Open(BaseHTTPRequestHandler):
    """Says at which address it was reached; `/redirect` leads to the closed port."""

    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        host, port = self.server.host, self.server.server_port
        self.send_response(302 if self.path == "/redirect" else 200)
        if self.path == "/redirect":
            self.send_header("location", f"http://{CLOSED}:{port}/")
        text = host.encode()
        self.send_header("content-length", str(len(text)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: object) -> None:
        return


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self) -> None:
        """Without the question for its own name that HTTPServer asks the network."""
        socketserver.TCPServer.server_bind(self)
        self.host, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that is closed at once is what is expected here."""


class _Server6(_Server):
    address_family = socket.AF_INET6


def _serve(
    stack: ExitStack, handler: type[BaseHTTPRequestHandler], address: tuple[str, int]
) -> _Server:
    server = (_Server6 if ":" in address[0] else _Server)(address, handler)
    _run(stack, server)
    return server


def _run(stack: ExitStack, server: socketserver.BaseServer) -> None:
    stack.callback(server.server_close)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    stack.callback(server.shutdown)


class _NameServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


class _Rebinding(socketserver.StreamRequestHandler):
    """A name server over TCP: any name leads to the permitted address and to the closed one by
    turns, each answer for no time at all."""

    turn = 0

    def handle(self) -> None:
        with suppress(OSError, EOFError, dns.exception.DNSException):
            while size := int.from_bytes(self.rfile.read(2), "big"):
                message = dns.message.from_wire(self.rfile.read(size))
                answer = dns.message.make_response(message, recursion_available=True)
                asked = message.question[0]
                if asked.rdtype == dns.rdatatype.A and asked.rdclass == dns.rdataclass.IN:
                    _Rebinding.turn += 1
                    host = ALLOWED if _Rebinding.turn % 2 else CLOSED
                    answer.answer.append(dns.rrset.from_text(asked.name, 0, "IN", "A", host))
                data = answer.to_wire()
                self.wfile.write(len(data).to_bytes(2, "big") + data)
