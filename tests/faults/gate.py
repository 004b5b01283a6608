"""A place where runs wait: a component asks for leave over HTTP, the test sees it and gives it."""

from __future__ import annotations

import contextlib
import threading

from tests.loopback import Handler, Server
from tests.making import COUNTER, until


class Gate:
    """`arrived` counts runs that have come so far, `gone` those whose process went away waiting;
    `callers` has, of each that came, its address and the path that it asked for."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.arrived = 0
        self.gone = 0
        self.callers: list[tuple[str, str]] = []
        self._open = threading.Event()
        gate = self

        class Waiting(Handler):
            def do_GET(self) -> None:
                gate.callers.append((self.client_address[0], self.path))
                gate.arrived += 1
                self.connection.settimeout(0.05)
                while not gate._open.is_set():
                    # Nothing more is ever sent: data that ends is a process that ended.
                    with contextlib.suppress(TimeoutError):
                        if not self.connection.recv(1):
                            gate.gone += 1
                            return
                self.send_response(204)
                self.end_headers()

        self._server = Server(Waiting, address)
        self.url = self._server.url("/")

    def component(self, only: str = "") -> str:
        """COUNTER, which waits at the gate first, or only when its event is the text `only`."""
        ask = f"event == {only!r} and " if only else ""
        ask += f"urlopen({self.url!r}).close()\n        count = self"
        return "from urllib.request import urlopen\n" + COUNTER.replace("count = self", ask)

    def wait(self, arrivals: int = 1, within_s: float = 40) -> None:
        until(lambda: self.arrived >= arrivals, within_s)

    def open(self) -> None:
        self._open.set()

    def close(self) -> None:
        self.open()
        self._server.close()
