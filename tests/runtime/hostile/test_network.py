"""Which addresses a component reaches: none of this machine or its network, but those allowed."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from apps.runs.contract import Limits
from tests.runtime.conftest import Bench
from workers.runtime.settings import RuntimeSettings

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Server(ThreadingHTTPServer):
    """Answers every GET with `hello`, and counts connections."""

    daemon_threads = True
    accepted = 0

    def get_request(self) -> tuple[socket.socket, object]:
        self.accepted += 1
        return super().get_request()


class _Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *args: object) -> None:
        return


class _Server6(Server):
    address_family = socket.AF_INET6


def _serve(server: Server, stack: ExitStack) -> Server:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    return server


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Server]]:
    """One that children may reach by its IPv4 address, and one that they may not, on v4 and v6."""
    with ExitStack() as stack:
        closed = _serve(Server(("127.0.0.1", 0), _Hello), stack)
        found = {"open": _serve(Server(("127.0.0.1", 0), _Hello), stack), "closed": closed}
        if socket.has_dualstack_ipv6():
            closed6 = _Server6(("::1", closed.server_address[1]), _Hello)
            found["closed6"] = _serve(closed6, stack)
        yield found


def port_of(server: Server) -> int:
    return int(server.server_address[1])


@pytest.fixture(scope="module")
def silent() -> Iterator[int]:
    """A port whose connects are never answered: the queue of its listener is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.fixture(scope="module")
def runtime_settings(
    tmp_path_factory: pytest.TempPathFactory, servers: dict[str, Server], silent: int
) -> RuntimeSettings:
    return RuntimeSettings(
        run_dir=tmp_path_factory.mktemp("data") / "run",
        egress_allow=(f"127.0.0.0/8:{port_of(servers['open'])}", f"127.0.0.1/32:{silent}"),
    )


async def test_an_allowed_port_is_reached_from_python(
    bench: Bench, servers: dict[str, Server]
) -> None:
    port = port_of(servers["open"])
    outcome = await bench.python(
        f"""
        import asyncio, socket, httpx
        for timeout in (None, 5):
            with socket.create_connection(("127.0.0.1", {port}), timeout) as connection:
                connection.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
                self.emit(connection.makefile().read()[-5:])
                self.emit([connection.getpeername()[1], connection.gettimeout()])
        async with httpx.AsyncClient() as client:
            self.emit((await client.get("http://127.0.0.1:{port}/")).text)
        with httpx.Client() as client:
            self.emit(client.get("http://127.0.0.1:{port}/").text)
        """
    )
    assert outcome.error is None
    assert [emit.payload.decode() for emit in outcome.emits] == [
        '"hello"', f"[{port},null]", '"hello"', f"[{port},5.0]",
        '"hello"', '"hello"',
    ]  # fmt: skip


async def test_an_allowed_port_is_reached_from_javascript(
    bench: Bench, servers: dict[str, Server]
) -> None:
    port = port_of(servers["open"])
    outcome = await bench.javascript(
        f"this.$emit(await (await fetch('http://127.0.0.1:{port}/')).text());"
        f"const c = await Deno.connect({{hostname: '127.0.0.1', port: {port}}});"
        "await c.write(new TextEncoder().encode('GET / HTTP/1.0\\r\\n\\r\\n'));"
        "this.$emit((await new Response(c.readable).text()).slice(-5));"
    )
    assert outcome.error is None, outcome.error
    assert [emit.payload for emit in outcome.emits] == [b'"hello"', b'"hello"']


async def test_a_port_that_nobody_serves_is_refused_by_its_host(
    bench: Bench, servers: dict[str, Server]
) -> None:
    """The error of the network reaches the component as it is."""
    outcome = await bench.python(
        f"""
        import socket
        for timeout in (None, 5):
            try:
                socket.create_connection(("127.0.0.2", {port_of(servers["open"])}), timeout)
            except OSError as error:
                self.emit(type(error).__name__)
        """
    )
    assert [emit.payload for emit in outcome.emits] == [b'"ConnectionRefusedError"'] * 2


async def test_a_connect_that_hangs_delays_nobody(
    bench: Bench, servers: dict[str, Server], silent: int
) -> None:
    hanging = [
        asyncio.create_task(
            bench.python(
                f'self.emit(1)\nimport socket\nsocket.create_connection(("127.0.0.1", {silent}))',
                Limits(wall_s=4),
            )
        )
        for _ in range(6)
    ]
    await asyncio.sleep(0)
    port = port_of(servers["open"])
    body = f'import socket\nsocket.create_connection(("127.0.0.1", {port})).close()\nself.emit(1)'
    while not all(task.done() for task in hanging):
        started = time.monotonic()
        outcome = await bench.python(body)
        assert outcome.error is None
        assert len(outcome.emits) == 1
        if all(task.done() for task in hanging):
            break
        assert time.monotonic() - started < 4, "it waited for the connects that hang"
        await asyncio.wait(hanging, timeout=0.3)
    for outcome in await asyncio.gather(*hanging):
        assert outcome.error is not None
        assert outcome.error.name == "Timeout"


async def test_odd_connects_fail_and_harm_nobody(bench: Bench) -> None:
    outcome = await bench.python(
        """
        import ctypes, os, socket
        libc = ctypes.CDLL(None, use_errno=True)
        a, b = socket.socketpair()
        inet = socket.socket()
        file = os.open("f", os.O_RDWR | os.O_CREAT)
        buffer = ctypes.create_string_buffer(b"\\x02\\x00\\x00\\x50\\x7f\\x00\\x00\\x01" + bytes(200))
        for fd in (a.fileno(), inet.fileno(), file, 999, 2**31 - 1):
            for address, length in ((buffer, 1), (buffer, 4), (None, 16), (buffer, 2**31 - 1), (8, 16)):
                if libc.connect(fd, address, length) == 0:
                    self.emit("connected")
        unspecified = ctypes.create_string_buffer(16)
        if libc.connect(inet.fileno(), unspecified, 16) == 0:
            self.emit("disconnected")
        """,
        Limits(wall_s=20),
    )
    assert outcome.error is None
    assert outcome.emits == []
    again = await bench.python("self.emit(1)")
    assert again.error is None
