"""`make run`: the servers, the database's shape, the processes of the Procfile, the ready line.

Stages stop in the opposite order of their start (F20): web and scheduler 4 s, workers 10 s,
Valkey 3 s, PostgreSQL 6 s: at most 23 s of the 25 s that the design allows.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from functools import partial
from http.client import HTTPConnection, HTTPException

from stack import options, procfile
from stack.errors import StackError
from stack.identity import launch
from stack.options import Options
from stack.places import Places
from stack.postgres import Postgres
from stack.postgres import version as postgres_version
from stack.supervisor import Child, Program, bound_logs, say, stop_in_order, warn
from stack.valkey import Valkey

POSTGRES, VALKEY, WORKERS, WEB = range(4)
START_S = 120.0
# A program that died this often before the stack was ready will not come up by itself.
HOPELESS_DEATHS = 3


def check(options: Options) -> int:
    """Everything that can be known before a process is started; the descriptor of the lock."""
    places = Places(options.data)
    places.prepare()
    lock = places.acquire()
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((options.host, options.port))
        except OSError as problem:
            raise StackError(
                f"port {options.port} on {options.host} cannot be used: {problem.strerror}"
                " (set PORT to another)"
            ) from problem
    if options.embedded_postgres:
        Postgres.at(places).check_version()
    return lock


def supervise(options: Options) -> int:
    """Bring the stack up and keep it up until a signal; the exit code."""
    return asyncio.run(_supervise(options))


async def _supervise(options: Options) -> int:
    stack = Stack(options)
    stop = asyncio.Event()

    def asked_to_stop() -> None:
        # The second time somebody means it.
        if stop.is_set():
            stack.hurry.set()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, asked_to_stop)
    coming_up = asyncio.create_task(stack.up())
    logs = asyncio.create_task(bound_logs(stack.children))
    stopped = asyncio.create_task(stop.wait())
    code = 0
    try:
        await asyncio.wait({coming_up, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if coming_up.done():
            coming_up.result()
            await stopped
    except StackError as problem:
        warn(f"error: {problem}")
        code = 1
    finally:
        for task in (coming_up, logs, stopped):
            task.cancel()
        await asyncio.gather(coming_up, return_exceptions=True)
        await stop_in_order(stack.children)
    say("stopped")
    return code


class Stack:
    """The processes of one data directory."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.places = Places(options.data)
        self.children: list[Child] = []
        self.hurry = asyncio.Event()
        self._deadline = time.monotonic() + START_S

    async def up(self) -> None:
        """Start everything; returns when the platform answers and its workers listen."""
        servers = await self._start_servers()
        self.places.write_servers({**servers, "port": self.options.port})
        # It says what it did; then a worker has something to load before all is there.
        news = await self._manage("release", "-v", "0", doing="preparing the database")
        self._start_processes()
        say("starting " + ", ".join(c.program.name for c in self.children if c.program.stage >= 2))
        await self._until(self._web_answers)
        await self._until_workers_listen()
        if news:
            loading = self._manage(
                "bootstrap", "--wait", "60", doing="loading the built-in components"
            )
            await self._unless_hopeless(loading)
        say(f"logs: {self.places.log}; key: {self.places.data / 'api_key'}")
        say(f"ready: {self.options.url}")

    async def _start_servers(self) -> dict[str, str | int]:
        """Start the embedded servers and wait until they answer; their addresses."""
        found: dict[str, str | int] = {}
        checks: list[Callable[[], bool]] = []
        if self.options.embedded_postgres:
            say(f"PostgreSQL {postgres_version()} in {self.places.postgres}")
            postgres = Postgres.at(self.places)
            if postgres.prepare():
                say("made a new database")
            self._add("postgres", postgres.command, POSTGRES, 6, signal.SIGINT)
            checks.append(postgres.accepts)
            found["database_url"] = postgres.url
        if self.options.embedded_valkey:
            say(f"Valkey in {self.places.valkey}")
            valkey = Valkey.at(self.places)
            valkey.prepare()
            self._add("valkey", valkey.command, VALKEY, 3)
            checks.append(valkey.accepts)
            found |= {"redis_url": valkey.url, "broker_url": valkey.broker_url}
        for accepts in checks:
            await self._until(accepts)
        return found

    def _start_processes(self) -> None:
        """What the Procfile lists, but for `release`: each once, `worker` WORKERS times."""
        for name, command in procfile.read(self.options.root / "Procfile").items():
            if name == procfile.RELEASE:
                continue
            line = procfile.shell(command)
            if name == "worker":
                for number in range(1, self.options.workers + 1):
                    self._add(f"worker{number}", partial(launch, line), WORKERS, 10)
            else:
                self._add(name, partial(launch, line), WEB, 4)

    def _add(
        self,
        name: str,
        command: Callable[[], list[str]],
        stage: int,
        grace_s: float,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        program = Program(
            name=name,
            command=command,
            environment=self._environment(name),
            directory=self.options.root,
            log=self.places.log / f"{name}.log",
            stage=stage,
            grace_s=grace_s,
            stop_signal=stop_signal,
        )
        self.children.append(Child(program, self.hurry))

    def _environment(self, process: str) -> dict[str, str]:
        """`python` is ours; PROCESS names the process in the Procfile's lines."""
        return options.environment(
            {
                "HEADWATER_DATA": str(self.options.data),
                "PORT": str(self.options.port),
                "HOST": self.options.host,
                "PROCESS": process,
            }
        )

    async def _manage(self, command: str, *arguments: str, doing: str) -> str:
        """The output of one management command; StackError with its last line if it fails."""
        say(doing)
        log = self.places.log / "setup.log"
        code, told = await self._output(sys.executable, "manage.py", command, *arguments)
        with log.open("a") as file:
            file.write(told)
        if code != 0:
            last = (told.strip().splitlines() or ["no output"])[-1]
            raise StackError(f"manage.py {command} failed: {last} (log: {log})")
        return told

    async def _output(self, *command: str) -> tuple[int, str]:
        """The exit code and the output of a short program; it is killed if we are cancelled."""
        process = await asyncio.create_subprocess_exec(
            *launch(list(command)),
            cwd=self.options.root,
            env=self._environment("setup"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            told, _ = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        return process.returncode or 0, told.decode(errors="replace")

    def _web_answers(self) -> bool:
        connection = HTTPConnection(self.options.near_host, self.options.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    async def _until_workers_listen(self) -> None:
        """Every Celery process of the Procfile has answered a ping."""
        lines = procfile.read(self.options.root / "Procfile")
        host = socket.gethostname()
        wanted = {
            f"{child.program.name}@{host}"
            for child in self.children
            if " celery " in lines.get(child.program.name.rstrip("0123456789"), "")
        }
        inspect = [sys.executable, "-m", "celery", "-A", "config", "inspect", "ping", "--json"]
        while wanted:
            _, told = await self._output(*inspect, "--timeout", "1", "-d", ",".join(wanted))
            wanted -= answered(told)
            self._fail_if_hopeless()

    async def _until(self, check: Callable[[], bool]) -> None:
        while not await asyncio.to_thread(check):
            self._fail_if_hopeless()
            await asyncio.sleep(0.05)

    async def _unless_hopeless(self, work: Coroutine[None, None, object]) -> None:
        task = asyncio.create_task(work)
        while not task.done():
            await asyncio.wait({task}, timeout=0.25)
            try:
                self._fail_if_hopeless(late=False)
            except StackError:
                task.cancel()
                await asyncio.wait({task})
                raise
        task.result()

    def _fail_if_hopeless(self, *, late: bool = True) -> None:
        """Raises StackError; `late`: also when the start takes too long."""
        for child in self.children:
            if child.deaths >= HOPELESS_DEATHS:
                raise StackError(
                    f"{child.program.name} does not start: {child.last_line()}"
                    f" (log: {child.program.log})"
                )
        if late and time.monotonic() > self._deadline:
            raise StackError(f"not ready after {START_S:g} s; see the logs in {self.places.log}")


def answered(told: str) -> set[str]:
    """The nodes in the output of `celery inspect ping --json`, among whatever else it prints."""
    nodes: set[str] = set()
    for line in told.splitlines():
        if line.startswith("{"):
            nodes |= json.loads(line).keys()
    return nodes
