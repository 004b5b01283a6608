"""The door to untrusted code: runs invocations in warm or fresh child processes.

A child belongs to one component version of one owner for its whole life. It serves one run at a
time; idle ones wait to be used again, the one used last first, and the one unused for longest
gives way when `max_children` live.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from typing import Any, Final, TypeVar

import structlog

from apps.runs.contract import (
    Code,
    Description,
    Invocation,
    Limits,
    LoadError,
    OnRespond,
    Options,
    OptionsCall,
    Outcome,
    RunError,
)
from workers.runtime.broker import BrokerError
from workers.runtime.findings import Finding
from workers.runtime.nursery import Nursery, Provide
from workers.runtime.process import Child
from workers.runtime.scratch import empty, is_empty
from workers.runtime.settings import RuntimeSettings
from workers.runtime.surroundings import environment, raise_open_files
from workers.runtime.watch import Watchdog

_log = structlog.get_logger(__name__)
_Key = tuple[Code, int, int]
T = TypeVar("T")
_SWEEP_S: Final = 1.0


class Runtime:
    """All children of one worker process. Use it from one event loop.

    Raises BrokerError out of `start`, `run` and `describe` when no child can be made at all: the
    wall cannot stand, or the machine is out of processes. That is never the component's fault.
    """

    def __init__(self, settings: RuntimeSettings) -> None:
        self._settings = settings
        self._nursery = Nursery(settings)
        self.workbench = self._nursery.workbench
        self._idle: dict[_Key, list[Child]] = {}
        self._idle_since: OrderedDict[Child, float] = OrderedDict()
        self._keys: dict[Child, _Key] = {}
        self._watchdog = Watchdog(self._nursery.look_at_open_files)
        self._taken = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._counts = {"runs": 0, "spawned": 0, "reused": 0, "ended": 0}
        self._closed = False

    async def start(self) -> None:
        """Starts the zygote. Raises BrokerError when the wall cannot stand here."""
        raise_open_files()
        await self._nursery.start()
        self._background(self._sweep())
        self._background(self._watchdog.loop())
        self._background(self._watchdog.disk_loop())

    async def close(self) -> None:
        """Ends every child; runs that are under way end with an error."""
        self._closed = True
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._nursery.stop()
        while self._waiters:
            self._wake()
        await self._nursery.close()

    async def run(
        self,
        code: Code,
        invocation: Invocation,
        limits: Limits,
        on_respond: OnRespond | None = None,
    ) -> Outcome:
        """One invocation. What the component does wrong is in `Outcome.error`, never raised.

        Cancelling the awaiting task kills the child and all it started.
        """
        self._counts["runs"] += 1
        started = time.time_ns() // 1_000_000
        try:
            return await self._call(
                code, limits, lambda child: child.invoke(invocation, limits, on_respond)
            )
        except LoadError as failure:
            took = time.time_ns() // 1_000_000 - started
            return Outcome(error=failure.error, started_ms=started, duration_ms=took)

    async def options(
        self, code: Code, call: OptionsCall, limits: Limits
    ) -> tuple[Options, RunError | None]:
        """One page of the choices of a prop. What the component does wrong is the error; the page
        is empty then."""
        try:
            asked = await self._call(code, limits, lambda child: child.options(call, limits))
        except LoadError as failure:
            return Options([]), failure.error
        if asked.error is not None or asked.answer is None:
            return Options([]), asked.error
        return asked.answer, None

    async def describe(self, code: Code, limits: Limits) -> Description:
        """What the component says of itself. Raises LoadError. The child stays, warm."""
        child = await self._take(code, limits)
        await self._give_back(child)
        assert child.description is not None
        return child.description

    def stats(self) -> dict[str, int]:
        """Gauges live, idle, waiting; counters runs, spawned, reused, ended, zygotes."""
        gauges = {
            "live": self._taken,
            "idle": len(self._idle_since),
            "waiting": len(self._waiters),
        }
        return {**gauges, **self._counts, "zygotes": self._nursery.zygotes}

    @property
    def wall(self) -> list[Finding]:
        """What the probe found when the runtime was started; empty without the wall."""
        return self._nursery.wall

    @property
    def settings(self) -> RuntimeSettings:
        return self._settings

    def provide_with(self, provide: Provide) -> None:
        """Whom to ask for package sets that this host lacks."""
        self._nursery.provide = provide

    # ---------------------------------------------------------------- children

    async def _call(self, code: Code, limits: Limits, call: Callable[[Child], Awaitable[T]]) -> T:
        """One call of a child that is nobody else's meanwhile. Raises LoadError, BrokerError."""
        child = await self._take(code, limits)
        self._watchdog.busy(child, limits)
        try:
            result = await call(child)
        except BaseException:
            self._end(child)
            raise
        await self._give_back(child)
        return result

    async def _take(self, code: Code, limits: Limits) -> Child:
        """A loaded child of this code for the caller alone. Raises LoadError, BrokerError."""
        key = (code, limits.memory_bytes, limits.scratch_bytes)
        while True:
            if self._closed:
                raise BrokerError("the runtime is closed")
            if (child := self._pop_idle(key)) is not None:
                self._counts["reused"] += 1
                return child
            if self._taken < self._settings.max_children:
                return await self._make(key, code, limits)
            if self._idle_since:
                self._end(next(iter(self._idle_since)))
                continue
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._wake()
                raise

    async def _make(self, key: _Key, code: Code, limits: Limits) -> Child:
        self._taken += 1
        child: Child | None = None
        try:
            child = await self._nursery.spawn(code, limits)
            self._counts["spawned"] += 1
            self._keys[child] = key
            self._background(self._clean_up_after(child))
            self._watchdog.busy(child, limits)
            timeout_s, packages = self._settings.load_timeout_s, self._nursery.packages_of(code)
            await child.load(environment(child.run_dir), limits, timeout_s, packages)
        except BaseException:
            if child is None:
                self._release()
            else:
                self._end(child)
            raise
        return child

    async def _give_back(self, child: Child) -> None:
        """Keeps a fit child for the next run of its component, its scratch directory emptied."""
        self._watchdog.idle(child)
        if self._worn(child):
            self._end(child)
            return
        scratch = child.run_dir / "tmp"
        try:
            if not is_empty(scratch):
                await asyncio.to_thread(empty, scratch)
        except BaseException as error:
            self._end(child)
            if isinstance(error, OSError):
                return
            raise
        if self._worn(child):
            self._end(child)
            return
        self._idle.setdefault(self._keys[child], []).append(child)
        self._idle_since[child] = time.monotonic()
        self._wake()

    def _worn(self, child: Child) -> bool:
        return not child.fit or child.runs >= self._settings.recycle_runs or self._closed

    def _pop_idle(self, key: _Key) -> Child | None:
        stack = self._idle.get(key)
        while stack:
            child = stack.pop()
            if not stack:
                del self._idle[key]
            del self._idle_since[child]
            if child.fit:
                return child
            self._end(child)
        return None

    def _end(self, child: Child) -> None:
        """Ends a child and frees its place. Idempotent."""
        child.kill()
        self._watchdog.forget(child)
        key = self._keys.pop(child, None)
        if key is None:
            return
        if self._idle_since.pop(child, None) is not None:
            self._idle[key].remove(child)
            if not self._idle[key]:
                del self._idle[key]
        self._counts["ended"] += 1
        self._release()

    def _release(self) -> None:
        self._taken -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def _clean_up_after(self, child: Child) -> None:
        """When the child is gone, however it went: its place and its directory are free."""
        await child.gone
        self._end(child)
        await self._nursery.renew(child)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            oldest = time.monotonic() - self._settings.idle_s
            while self._idle_since:
                child, since = next(iter(self._idle_since.items()))
                if since > oldest:
                    break
                self._end(child)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = Context().run(asyncio.create_task, work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
