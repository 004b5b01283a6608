"""Compiled code that new Deno processes start with, made once for the data directory."""

from __future__ import annotations

import asyncio
import subprocess
import uuid
from contextlib import suppress
from contextvars import Context
from pathlib import Path

import structlog

from workers.runtime.javascript import cache
from workers.runtime.javascript.flags import HARNESS
from workers.runtime.scratch import remove

_log = structlog.get_logger(__name__)


class DenoTemplate:
    """`<run_dir>/deno-<stamp>`: children copy it before they enter the wall; none can write it.

    The stamp changes with Deno and with the harness. Until it is there, and where it cannot be
    made, processes start without, only later.
    """

    def __init__(self, deno: str, run_dir: Path) -> None:
        sources = [path for path in (Path(deno), *HARNESS.parent.glob("*.mjs")) if path.exists()]
        stamp = max((path.stat().st_mtime_ns for path in sources), default=0)
        self.path = run_dir.absolute() / f"deno-{stamp}"
        self._deno = deno
        self._task: asyncio.Task[None] | None = None

    def want(self) -> None:
        """Called for each JavaScript child; the first call starts making it, in the background."""
        if self._task is None and not self.path.exists():
            self._task = Context().run(asyncio.create_task, self._make())

    async def close(self) -> None:
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _make(self) -> None:
        new = self.path.with_name(f"new-{uuid.uuid4().hex}")
        try:
            await asyncio.to_thread(cache.build, self._deno, new)
        except (OSError, subprocess.SubprocessError) as error:
            _log.warning("deno.no_template", error=str(error))
        else:
            new.chmod(0o755)
            for path in new.iterdir():
                path.chmod(0o644)
            with suppress(OSError):  # another worker was first
                new.rename(self.path)
            for other in self.path.parent.glob("deno-*"):
                if other != self.path:
                    await asyncio.to_thread(remove, other)
        await asyncio.to_thread(remove, new)
