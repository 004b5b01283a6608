"""The process types of the Procfile, each started alone, on servers that somebody else runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx

from stack import procfile
from stack.places import Places
from stack.postgres import Postgres
from stack.valkey import Valkey
from tests.making import World, until
from tests.processes import ROOT, Process, client_of, free_port, inherited
from tests.servers import FAST_POSTGRES, FAST_VALKEY, Server

LINES = procfile.read(ROOT / "Procfile")


class ByHand:
    """Servers in one directory, the platform's files in another; nothing else is shared."""

    def __init__(self) -> None:
        self._top = Path(tempfile.mkdtemp(prefix="hw-hand-"))
        # An unprivileged PostgreSQL goes through it where user namespaces are denied to root.
        self._top.chmod(0o755)
        places = Places(self._top / "servers")
        places.prepare()
        valkey = Valkey.at(places, FAST_VALKEY)
        self._servers = [Server(Postgres.at(places, FAST_POSTGRES)), Server(valkey)]
        for server in self._servers:
            server.start()
        self.data = self._top / "data"
        self.port = free_port()
        self.world = World(self._servers[0].url)
        self.processes: list[Process] = []
        self.environment = inherited() | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HEADWATER_DATA": str(self.data),
            "DATABASE_URL": self._servers[0].url,
            "REDIS_URL": valkey.url,
            "BROKER_URL": valkey.broker_url,
            "SECRET_KEY": "only-for-tests",
            "PORT": str(self.port),
            "SLOTS": "8",
        }

    def release(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            procfile.shell(LINES[procfile.RELEASE]),
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
        )

    def start(self, line: str, name: str = "") -> Process:
        """The line as any process manager runs it. `name` is its PROCESS."""
        return self._keep(procfile.shell(LINES[line]), name or line, self.environment)

    def become(self, line: str, name: str, **more: str) -> Process:
        """The line as units and containers run it: without a PATH of ours."""
        bare = {**self.environment, "PATH": os.defpath, **more}
        command = [sys.executable, "-m", "stack", "process", line]
        return self._keep(command, name, bare)

    def _keep(self, command: list[str], name: str, environment: dict[str, str]) -> Process:
        log = self._top / f"{name}.log"
        process = Process(name, command, {**environment, "PROCESS": name}, log)
        self.processes.append(process)
        return process

    def client(self) -> httpx.Client:
        """With the first user's key, once the web process can serve."""
        base = f"http://127.0.0.1:{self.port}"
        until(lambda: answers(f"{base}/readyz"), 40, "/readyz")
        return client_of(base, self.data)

    def close(self) -> None:
        for process in self.processes:
            process.end()
            print(f"--- {process.name}\n{process.log}")
        self.world.close()
        for server in reversed(self._servers):
            server.stop()
        shutil.rmtree(self._top, ignore_errors=True)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.HTTPError:
        return False
