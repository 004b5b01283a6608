"""A platform of four hosts: the database, the web process and the scheduler, and two workers.

PostgreSQL and Valkey listen on TCP; each other process is a line of the Procfile on its own host,
with a data directory of its own. What looks on (rows, streams) comes by the servers' socket files,
so that no cut blinds it.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import redis

from stack import identity, options, procfile
from stack.places import Places
from stack.postgres import ROLE, Postgres
from stack.valkey import Valkey
from tests.machines.network import SUBNET, Host, Network
from tests.making import World, until
from tests.processes import OF_THE_TESTS, ROOT, Process
from tests.servers import Server

WORKERS = ("worker1", "worker2")
PORT = 8000
POSTGRES_PORT, VALKEY_PORT = 5432, 6379
LEASE_SECONDS = 3.0
LINK_SECONDS = 8.0
# Short, so that a test sees their ends; the proportions are those of the defaults.
SHORT = {
    "LEASE_SECONDS": str(LEASE_SECONDS),
    "LINK_SECONDS": str(LINK_SECONDS),
    "SWEEP_SECONDS": "1",
    "DELIVERY_SECONDS": "3",
    "SECRET_KEY": "only-for-tests",
}


class House:
    def __init__(self, network: Network, directory: Path) -> None:
        self.network = network
        self._directory = directory
        self._processes: dict[str, Process] = {}
        places = Places(directory / "database")
        places.prepare()
        host = network.hosts["database"]
        listen = {"listen_addresses": host.address, "port": str(POSTGRES_PORT)}
        self._postgres = Server(Postgres.at(places, listen), host.inside)
        listen = {"bind": host.address, "port": str(VALKEY_PORT)}
        self._valkey = Server(Valkey.at(places, listen), host.inside)
        self._password = places.password()
        self.world = World(self._postgres.url)
        self.api = httpx.Client(base_url=f"{self.address}/v1", timeout=30)

    @property
    def address(self) -> str:
        return f"http://{self.network.hosts['web'].address}:{PORT}"

    # --- start and stop ---------------------------------------------------------------------------

    def start(self) -> None:
        """Everything, in the order of docs/operations.md; it answers and takes work."""
        self._postgres.server.prepare()
        rules = self._postgres.server.places.postgres / "pg_hba.conf"
        with rules.open("a") as file:
            file.write(f"host all {ROLE} {SUBNET} scram-sha-256\n")
        self._postgres.start()
        self._valkey.start()
        self.manage("migrate", "--verbosity", "0")
        self.manage("bootstrap")
        for host, kind in [("web", "web"), ("web", "scheduler"), *((w, "worker") for w in WORKERS)]:
            self._launch(host, kind)
        named = "SELECT DISTINCT name FROM process WHERE kind IN ('worker', 'scheduler')"
        until(lambda: len(self.world.sql(named)) == 3 and self.ready() == 200, 60)
        self.manage("bootstrap", "--wait", "60")
        key = (self._data("web") / "api_key").read_text().strip()
        self.api.headers["Authorization"] = f"Bearer {key}"

    def _launch(self, host: str, kind: str) -> None:
        """One line of the Procfile; it ends with this process, whatever ends that."""
        name = host if kind == "worker" else kind
        line = procfile.shell(procfile.read(ROOT / "Procfile")[kind])
        self._processes[name] = Process(
            name,
            identity.launch([*self.network.hosts[host].inside, *line], death_signal=signal.SIGTERM),
            self._environment(host, PROCESS=name),
            self._directory / f"{name}.log",
        )

    def _environment(self, host: str, **more: str) -> dict[str, str]:
        database = self.network.hosts["database"].address
        postgres = f"postgresql://{ROLE}:{self._password}@{database}:{POSTGRES_PORT}/{ROLE}"
        valkey = f"redis://:{self._password}@{database}:{VALKEY_PORT}"
        given = {
            "HEADWATER_DATA": str(self._data(host)),
            "DATABASE_URL": postgres,
            "REDIS_URL": f"{valkey}/0",
            "BROKER_URL": f"{valkey}/1",
            "HOST": self.network.hosts[host].address,
            "PORT": str(PORT),
            "PUBLIC_URL": self.address,
            "EGRESS_ALLOW": f"{self.network.outside_address}/32",
            **SHORT,
            **more,
        }
        all_of_it = options.environment(given)
        return {n: v for n, v in all_of_it.items() if n in given or n not in OF_THE_TESTS}

    def _data(self, host: str) -> Path:
        return self._directory / host

    def manage(self, *arguments: str) -> str:
        """The output of a management command on the web's host."""
        done = subprocess.run(
            [*self.network.hosts["web"].inside, sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self._environment("web"),
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def close(self) -> None:
        """What the processes said is printed: pytest shows it with a test that has failed."""
        for process in self._processes.values():
            # Granian's workers outlive a kill of their parent.
            process.signal(signal.SIGTERM)
        for process in self._processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.end()
            print(f"--- {process.name}\n{process.log[-20_000:]}")
        self.network.outside(self.api.close)
        self.world.close()
        self._valkey.stop()
        self._postgres.stop()

    # --- looking ----------------------------------------------------------------------------------

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A call of the API, from outside; it must succeed."""
        answer = self.network.outside(lambda: self.api.request(method, path, **more))
        assert answer.is_success, answer.text
        return answer

    def status(self, path: str) -> int:
        """What the web host answers there; 0: nothing."""

        def get() -> int:
            try:
                return httpx.get(self.address + path, timeout=20).status_code
            except httpx.HTTPError:
                return 0

        return self.network.outside(get)

    def ready(self) -> int:
        return self.status("/readyz")

    def log(self, name: str) -> str:
        return self._processes[name].log

    def worker_at(self, address: str) -> Host:
        workers = [self.network.hosts[name] for name in WORKERS]
        return next(host for host in workers if host.address == address)

    def lines(self, name: str) -> Counter[int]:
        """The connections to the database's host that a host believes to have, by their ports."""
        return Counter(self.network.hosts[name].connections_to(self.network.hosts["database"]))

    def sessions(self, name: str) -> int:
        """The connections of a host that PostgreSQL believes to have."""
        asked = "SELECT count(*) FROM pg_stat_activity WHERE client_addr = %s"
        found: int = self.world.one(asked, self.network.hosts[name].address)
        return found

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self._valkey.url)
