"""The threads in which the web process calls Django."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# Each holds one database connection while it works (settings.DB_POOL).
THREADS = 16
# No view waits for anything that takes minutes: all threads busy for so long hang.
STUCK_SECONDS = 60.0


class Threads:
    """`run` from the event loop alone."""

    def __init__(self, count: int = THREADS, stuck_seconds: float = STUCK_SECONDS) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="django")
        self._count = count
        self._stuck_seconds = stuck_seconds
        self._calls = 0
        # Since when (monotonic) all threads are busy and none has become free.
        self._full_since: float | None = None

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Call it in a thread, as soon as one is free, in the caller's context."""
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        future = loop.run_in_executor(self._pool, partial(context.run, function, *args, **kwargs))
        self._calls += 1
        if self._calls >= self._count and self._full_since is None:
            self._full_since = time.monotonic()
        future.add_done_callback(self._ended)
        return future

    def stuck(self) -> bool:
        full = self._full_since
        return full is not None and time.monotonic() - full > self._stuck_seconds

    def _ended(self, _future: asyncio.Future[Any]) -> None:
        self._calls -= 1
        self._full_since = time.monotonic() if self._calls >= self._count else None
