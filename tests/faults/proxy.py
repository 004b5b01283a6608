"""A TCP proxy before a server: cuts on command, or when it has seen what it waits for."""

from __future__ import annotations

import contextlib
import socket
import threading

from stack.places import Address


class Proxy:
    """Listens on a loopback port (0: any) and passes everything on to `target`.

    `lose_answer(text)`: once, the next time a client sends `text`, the server's answer to it is
    swallowed and the connection is cut: what was asked for is done, and the client cannot know.
    `freeze`: nothing is passed on and nothing is closed until `thaw`, as on a line that is cut.
    """

    def __init__(self, target: Address, port: int = 0) -> None:
        self._target = target
        self._armed: bytes | None = None
        self.fired = threading.Event()
        self._flows = threading.Event()
        self._flows.set()
        self._connections: set[socket.socket] = set()
        self._server = socket.create_server(("127.0.0.1", port))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_answer(self, text: bytes) -> None:
        self.fired.clear()
        self._armed = text

    def freeze(self) -> None:
        self._flows.clear()

    def thaw(self) -> None:
        self._flows.set()

    def cut(self) -> None:
        """Cut every connection that is open now."""
        for connection in list(self._connections):
            self._close(connection)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.thaw()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                try:
                    server = self._target.connect()
                except OSError:
                    client.close()
                    continue
                server.settimeout(None)
                self._connections |= {client, server}
                # Set while the answer to what was waited for is on its way.
                swallow = threading.Event()
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(
                        target=self._pass,
                        args=(source, sink, source is client, swallow),
                        daemon=True,
                    ).start()

    def _pass(
        self, source: socket.socket, sink: socket.socket, asks: bool, swallow: threading.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._flows.wait()
                if asks and self._armed is not None and self._armed in data:
                    self._armed = None
                    swallow.set()
                elif not asks and swallow.is_set():
                    self.fired.set()
                    break
                sink.sendall(data)
        self._close(source)
        self._close(sink)

    def _close(self, connection: socket.socket) -> None:
        self._connections.discard(connection)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
