"""Running `async` component code, and noticing what it leaves behind.

The event loop is made at the first need and kept, so that synchronous components never pay for
one and warm asynchronous ones pay once.
"""

from __future__ import annotations

import _thread
import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

_POOL = "headwater-pool"


class _Pool(ThreadPoolExecutor):
    """The loop's helper threads (name resolution, `to_thread`): left over only while busy."""

    def __init__(self) -> None:
        super().__init__(thread_name_prefix=_POOL)
        self._busy: set[Future[Any]] = set()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = super().submit(fn, *args, **kwargs)
        self._busy.add(future)
        future.add_done_callback(self._busy.discard)
        return future

    @property
    def busy(self) -> int:
        return len(self._busy)


class Tasks:
    """The asynchronous half of one process."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool: _Pool | None = None
        self._failed: list[asyncio.Task[Any]] = []
        self._reported: list[BaseException] = []
        self._threads = _thread._count()

    def run(self, awaitable: Awaitable[Any], returned: Callable[[], None]) -> None:
        """Await the entry, call `returned`, then look at the tasks that it did not wait for.

        Raises the entry's error, else the first error of a task that nobody looked at.
        """
        loop = self._loop or self._start()
        self._failed.clear()
        self._reported.clear()
        try:
            loop.run_until_complete(_await(awaitable, returned))
        finally:
            self._settle(loop)
        for task in self._failed:
            if getattr(task, "_log_traceback", True):
                error = task.exception()
                if error is not None:
                    raise error
        if self._reported:
            raise self._reported[0]

    def _settle(self, loop: asyncio.AbstractEventLoop) -> None:
        """A task that was never awaited may not even have begun: let it show its error."""
        for _ in range(2):
            if bool(asyncio.all_tasks(loop)) or bool(getattr(loop, "_ready", None)):
                loop.run_until_complete(asyncio.sleep(0))

    def leftovers(self) -> list[str]:
        """What of the component is still alive, in words; empty for a process fit to go on."""
        found = []
        if _thread._count() > self._threads and (alive := self._alive()):
            found.append(f"{alive} thread{'s' if alive > 1 else ''}")
        if self._loop is not None:
            if count := len(asyncio.all_tasks(self._loop)):
                found.append(f"{count} task{'s' if count > 1 else ''}")
            if self._pool is not None and self._pool.busy:
                found.append(f"{self._pool.busy} call(s) in threads")
            if any(not handle.cancelled() for handle in self._handles()):
                found.append("scheduled callbacks")
        return found

    def _alive(self) -> int:
        pooled = sum(thread.name.startswith(_POOL) for thread in threading.enumerate())
        return _thread._count() - self._threads - pooled

    def _handles(self) -> list[Any]:
        return [*getattr(self._loop, "_ready", ()), *getattr(self._loop, "_scheduled", ())]

    def _start(self) -> asyncio.AbstractEventLoop:
        self._loop = loop = asyncio.new_event_loop()
        self._pool = _Pool()
        loop.set_default_executor(self._pool)
        loop.set_task_factory(self._task)
        loop.set_exception_handler(self._report)
        asyncio.set_event_loop(loop)
        return loop

    def _task(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any] | Any, **more: Any
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **more)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        # Not task.exception(): that call would count as somebody having looked.
        if getattr(task, "_exception", None) is not None:
            self._failed.append(task)

    def _report(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self._reported.append(error or RuntimeError(context.get("message", "an unknown error")))


async def _await(awaitable: Awaitable[Any], returned: Callable[[], None]) -> None:
    await awaitable
    # Before any other task gets its turn: what that one does is too late.
    returned()
