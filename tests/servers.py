"""PostgreSQL and Valkey for one test process, in a temporary directory, started when first used.

Their addresses are known before they run (socket files), so the environment can be set before
Django loads its settings, and a run of pure tests starts no server at all.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from stack.places import Places
from stack.postgres import Postgres
from stack.valkey import Valkey

# Speed for tests that do not ask whether data survives a crash of the machine.
FAST_POSTGRES = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
FAST_VALKEY = {"appendonly": "no"}


class Server:
    """A server process of the tests' own: start, stop, kill, start again on the same data.

    `inside`: what its command line begins with, to run in another place.
    """

    def __init__(self, server: Postgres | Valkey, inside: Sequence[str] = ()) -> None:
        self.server = server
        self._inside = inside
        self.process: subprocess.Popen[bytes] | None = None
        name = type(server).__name__.lower()
        self.log = server.places.log / f"{name}.log"

    @property
    def url(self) -> str:
        return self.server.url

    def start(self, within_s: float = 30) -> None:
        """Start it unless it runs, and wait until it takes connections."""
        if self.process and self.process.poll() is None:
            return
        self.server.prepare()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._inside, *self.server.command()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + within_s
        while not self.server.accepts():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.log.name}: {self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it cleanly (PostgreSQL: fast shutdown)."""
        self._end(signal.SIGINT if isinstance(self.server, Postgres) else signal.SIGTERM)

    def kill(self) -> None:
        """kill -9 the whole server."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(30)
        self.process = None


class TestServers:
    """The pair that the whole test process shares."""

    __test__ = False

    def __init__(self) -> None:
        self.places = Places(Path(tempfile.mkdtemp(prefix="hw-tests-")))
        # Searched by an unprivileged PostgreSQL where user namespaces are denied to root.
        self.places.prepare()
        self.postgres = Server(Postgres.at(self.places, FAST_POSTGRES))
        self.valkey = Server(Valkey.at(self.places, FAST_VALKEY))

    def environment(self) -> dict[str, str]:
        """What the settings need to find this pair."""
        valkey = self.valkey.server
        assert isinstance(valkey, Valkey)
        return {
            "HEADWATER_DATA": str(self.places.data),
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": valkey.url,
            "BROKER_URL": valkey.broker_url,
            "SECRET_KEY": "only-for-tests",
        }

    def close(self) -> None:
        self.valkey.stop()
        self.postgres.stop()
        shutil.rmtree(self.places.data, ignore_errors=True)
