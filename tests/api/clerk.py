"""The worker's side of operations, by its own functions, without a child process.

The API is what is tested here; that real code is loaded and hooks are run is the business of the
tests of the runner and of tests/acceptance.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from django.db import connection

from apps.runs import conduct, describing
from apps.runs.conduct import Hook
from apps.runs.contract import RunError
from apps.runs.models import Operation

RunHook = Callable[[Hook], RunError | None]
FEED: dict[str, Any] = {
    "name": "My Feed",
    "key": "my-feed",
    "version": "0.1.0",
    "description": None,
    "type": "source",
    "dedupe": "unique",
    "props": [
        {"name": "url", "type": "string", "label": "Feed URL"},
        {"name": "timer", "type": "$.interface.timer", "default": {"intervalSeconds": 900}},
    ],
    "hooks": [],
}


class Clerk:
    """A thread that ends every operation it finds, until the block is left."""

    def __init__(
        self,
        description: dict[str, Any] | None = None,
        *,
        error: dict[str, Any] | None = None,
        hook: RunHook = lambda _: None,
    ) -> None:
        self.hooks: list[str] = []
        self._result: dict[str, Any] = (
            {"error": error}
            if error
            else {"language": "python", "description": description or FEED}
        )
        self._hook = hook
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._failure: BaseException | None = None

    def __enter__(self) -> Clerk:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _value: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(20)
        if self._failure is not None and kind is None:
            raise self._failure

    def _work(self) -> None:
        try:
            while not self._stop.wait(0.01):
                for operation in Operation.objects.filter(state="queued"):
                    self._do(operation)
        except BaseException as error:
            self._failure = error
        finally:
            connection.close()

    def _do(self, operation: Operation) -> None:
        claimed = Operation.objects.filter(id=operation.id, state="queued").update(state="running")
        if not claimed:
            return
        if operation.kind == "describe":
            describing.finish(operation.id, self._result)
            return
        while (hook := conduct.next_hook(operation.id)) is not None:
            self.hooks.append(hook.entry)
            conduct.record(operation.id, hook, self._hook(hook))
