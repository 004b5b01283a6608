"""The worker's side of the zygote: starts it, asks it for children, hears of their end."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from contextvars import Context
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from apps.runs.contract import Code, Limits
from workers.runtime.findings import Finding
from workers.runtime.name_server import NameServer
from workers.runtime.process import Child, Spawned
from workers.runtime.settings import RuntimeSettings
from workers.runtime.surroundings import authorities
from workers.runtime.tool import Job, Tool
from workers.runtime.watch import watched

_ROOT: Final = Path(__file__).resolve().parents[2]
_MESSAGE: Final = 64 * 1024
_START_S: Final = 30.0
_STOP_S: Final = 5.0


class BrokerError(RuntimeError):
    """The zygote refused to start, died, or could not make a child; the text says why."""


class Broker:
    """One zygote process. After its death (`alive` is False) a new Broker is needed."""

    def __init__(self, settings: RuntimeSettings, deno_template: Path) -> None:
        self.alive = False
        self.base_anon = 0
        self.wall: list[Finding] = []
        self._settings = settings
        self._template = str(deno_template)
        self.children: dict[int, Child] = {}
        self._waiting: dict[int, tuple[Code, asyncio.Future[Child]]] = {}
        self._tools: dict[int, asyncio.Future[Tool]] = {}
        self._running: dict[int, Tool] = {}
        self._next = 0
        self._names: NameServer | None = None
        self._out: deque[bytes] = deque()

    async def start(self) -> None:
        """Starts the zygote, which tries the wall. Raises BrokerError naming what is missing."""
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        settings = self._settings
        if settings.egress_resolve:
            self._names = NameServer(settings.egress_resolve)
            await self._names.start()
        self._launch()
        self.alive = True
        Context().run(self._loop.add_reader, self._control, self._on_message)
        self._send(
            {
                "run_dir": str(settings.run_dir),
                "egress_allow": settings.egress_allow,
                "egress_deny": settings.egress_deny,
                "egress_resolve": settings.egress_resolve,
                "name_server": self._names.address if self._names else settings.resolver,
                "authorities": authorities(settings.egress_ca, settings.run_dir),
                "sandbox": settings.sandbox,
                "deno": settings.deno,
                "deno_template": self._template,
                "deno_permissions": settings.deno_permissions,
                "uid": settings.sandbox_uid,
            }
        )
        try:
            await asyncio.wait_for(asyncio.shield(self._ready), _START_S)
        except BaseException as error:
            await self.close()
            if isinstance(error, TimeoutError):
                raise BrokerError("the zygote did not get ready in time") from None
            raise

    def _launch(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._control = ours
        script = str(Path(__file__).with_name("zygote.py"))
        with theirs:
            self._process = subprocess.Popen(
                [self._settings.python, "-I", script, str(_ROOT), str(theirs.fileno())],
                env={"MALLOC_ARENA_MAX": "2"},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )

    async def spawn(
        self, code: Code, limits: Limits, run_dir: str, packages: str | None = None
    ) -> Child:
        """A fresh child behind the wall, with nothing loaded. Raises BrokerError.

        `run_dir` names its private directory, which is empty or does not exist yet; `packages` is
        the directory of its package set.
        """
        if not self.alive:
            raise BrokerError("the zygote is gone")
        self._next += 1
        number = self._next
        future: asyncio.Future[Child] = self._loop.create_future()
        self._waiting[number] = code, future
        self._send(
            {
                "op": "spawn",
                "id": number,
                "dir": run_dir,
                "language": code.language,
                "memory": limits.memory_bytes,
                "scratch": limits.scratch_bytes,
                "reads": [packages] if packages else [],
            }
        )
        return await future

    async def tool(self, job: Job, run_dir: str) -> Tool:
        """A tool behind the wall, started in `<run_dir>/code`. Raises BrokerError."""
        if not self.alive:
            raise BrokerError("the zygote is gone")
        self._next += 1
        future: asyncio.Future[Tool] = self._loop.create_future()
        self._tools[self._next] = future
        self._send({"op": "tool", "id": self._next, "dir": run_dir, **asdict(job)})
        return await future

    def _kill(self, pid: int) -> None:
        """Ends a child and all it started, through the zygote, which knows whose the pid is."""
        if self.alive and (pid in self.children or pid in self._running):
            self._send({"op": "kill", "pid": pid})

    def look_at_open_files(self, children: Iterable[Child]) -> None:
        """Asks what they hold open of files that they removed: `Child.held_bytes`, soon after."""
        mine = [child.pid for child in children if self.children.get(child.pid) is child]
        if self.alive and mine:
            self._send({"op": "look", "pids": mine})

    async def close(self) -> None:
        """Ends the zygote, which ends its children first."""
        self._lost()
        if self._names is not None:
            await self._names.close()
        stopped = self._loop.run_in_executor(None, self._process.wait, _STOP_S)
        try:
            await stopped
        except subprocess.TimeoutExpired:
            self._process.kill()
            await self._loop.run_in_executor(None, self._process.wait)

    def _send(self, message: dict[str, Any]) -> None:
        self._out.append(json.dumps(message).encode())
        self._flush()

    def _flush(self) -> None:
        while self._out and self.alive:
            try:
                self._control.send(self._out[0])
            except BlockingIOError:
                self._loop.add_writer(self._control, self._flush)
                return
            except OSError:
                self._lost()
                return
            self._out.popleft()
        if self.alive:
            self._loop.remove_writer(self._control)

    def _on_message(self) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(self._control, _MESSAGE, 4)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        if not data:
            self._lost()
            return
        message = json.loads(data)
        match message["ev"]:
            case "ready":
                self._get_ready(message)
            case "refused":
                self._ready.set_exception(BrokerError(message["error"]))
            case "spawned":
                self._spawned(message, fds)
            case "held":
                for key, held in message["bytes"].items():
                    if (child := self.children.get(int(key))) is not None:
                        child.held_bytes = held
            case "failed":
                asked: asyncio.Future[Any] | None = self._tools.pop(message["id"], None)
                if asked is None:
                    _, asked = self._waiting.pop(message["id"])
                if not asked.done():
                    asked.set_exception(BrokerError(message["error"]))
            case "exit":
                pid = message["pid"]
                ended: Child | Tool | None = self.children.pop(pid, None)
                ended = ended or self._running.pop(pid, None)
                if ended is not None:  # else it died at birth
                    ended.on_exit(message["status"])

    def _get_ready(self, message: dict[str, Any]) -> None:
        self.base_anon = message["anon"]
        self.wall = [Finding(*finding) for finding in message["wall"]]
        watch = watched(self._process.pid)
        self.wall += [watch] if self.wall else []
        if watch.holds:
            self._ready.set_result(None)
        else:
            self._ready.set_exception(BrokerError("the memory of children cannot be seen in /proc"))

    def _spawned(self, message: dict[str, Any], fds: list[int]) -> None:
        if message["id"] in self._tools:
            asked = self._tools.pop(message["id"])
            tool = Tool(message["pid"], fds, self._kill)
            self._running[tool.pid] = tool
            if asked.done():
                tool.kill()
            else:
                asked.set_result(tool)
            return
        code, future = self._waiting.pop(message["id"])
        reads, writes = (fds[0], fds[0]) if len(fds) == 3 else (fds[0], fds[1])
        spawned = Spawned(message["pid"], Path(message["dir"]), reads, writes, fds[-2], fds[-1])
        child = Child(code, spawned, self._kill)
        self.children[child.pid] = child
        if future.done():
            child.kill()
        else:
            future.set_result(child)

    def _lost(self) -> None:
        """The control socket is closed, by either side: every child is dead or dying."""
        if not self.alive:
            return
        self.alive = False
        self._loop.remove_reader(self._control)
        self._loop.remove_writer(self._control)
        self._control.close()
        error = BrokerError("the zygote is gone")
        if not self._ready.done():
            self._ready.set_exception(error)
        waiting: list[asyncio.Future[Any]] = [future for _, future in self._waiting.values()]
        waiting += self._tools.values()
        for future in waiting:
            if not future.done():
                future.set_exception(error)
        self._waiting.clear()
        self._tools.clear()
        orphans: list[Child | Tool] = [*self.children.values(), *self._running.values()]
        self.children, self._running = {}, {}
        for orphan in orphans:
            orphan.on_exit(None)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0)
