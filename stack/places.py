"""The data directory: what lies where, and who may read it.

<data>/postgres/        the database cluster
<data>/valkey/          the append-only file of the streams and the broker
<data>/run/             sockets, the configuration of Valkey; made anew at each start
<data>/log/             one file per process
<data>/servers.json     where the servers of the running stack are (settings read it)
<data>/server_password  the password of both embedded servers
<data>/secret_key, api_key, admin_password   written by the platform, mode 600
<data>/lock             held while a stack runs on this directory
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from stack.errors import StackError

# sockaddr_un holds 108 bytes, one of them the final NUL.
SOCKET_PATH_BYTES = 107


@dataclass(frozen=True, slots=True)
class Address:
    """Where an embedded server listens: a socket file, or a loopback port where the path of the
    data directory is too long for one. Exactly one of the two is set."""

    path: Path | None = None
    port: int = 0

    def connect(self, timeout_s: float = 2.0) -> socket.socket:
        """A connection to it; OSError when nobody listens."""
        if not self.path:
            return socket.create_connection(("127.0.0.1", self.port), timeout_s)
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(timeout_s)
        try:
            client.connect(str(self.path))
        except OSError:
            client.close()
            raise
        return client


@dataclass(frozen=True, slots=True)
class Places:
    data: Path

    @property
    def postgres(self) -> Path:
        return self.data / "postgres"

    @property
    def valkey(self) -> Path:
        return self.data / "valkey"

    @property
    def run(self) -> Path:
        return self.data / "run"

    @property
    def log(self) -> Path:
        return self.data / "log"

    @property
    def servers(self) -> Path:
        return self.data / "servers.json"

    def prepare(self) -> None:
        """Make the directories, for the owner alone. StackError when it cannot be written to."""
        try:
            self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
            for path in (self.run, self.log, self.valkey):
                path.mkdir(exist_ok=True, mode=0o700)
            probe = self.data / f".probe-{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as problem:
            raise StackError(
                f"the data directory {self.data} cannot be written to: {problem.strerror}"
            ) from problem

    def acquire(self) -> int:
        """Take the lock of this data directory; the descriptor holds it until its last copy is
        closed. StackError when another stack has it."""
        handle = os.open(self.data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise StackError(f"already running on the data directory {self.data}") from None
        return handle

    def password(self) -> str:
        """The password of the embedded servers, made at the first start."""
        path = self.data / "server_password"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32))
        return path.read_text().strip()

    def address(self, file_name: str) -> Address:
        """A socket file in `run/` where its path fits, else a free loopback port."""
        path = self.run / file_name
        if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
            return Address(path=path)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return Address(port=probe.getsockname()[1])

    def write_servers(self, facts: dict[str, str | int]) -> None:
        write_private(self.servers, json.dumps(facts, indent=1) + "\n")


def write_private(path: Path, text: str) -> None:
    """Replace `path` in one step by a file that only its owner can read."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    new.replace(path)
