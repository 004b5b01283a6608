"""`/healthz`, `/readyz`, and the sign of life of a web process (docs/observability.md).

    healthz  is this process alive?  Its event loop answers, its threads get somewhere. Restart it
             when not.
    readyz   can it serve?           The database answers and has every migration. Send it nothing
             when not. Redis is told and not asked for: without it web accepts and shows as ever.

Open without a key: they name parts, and say of each `ok` or one of a few fixed texts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pkgutil
import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connection, connections
from django.http import HttpResponse

from apps.api.answers import error_answer, json_answer
from apps.api.threads import Threads
from apps.core.errors import ApiError
from apps.runs import processes, queue
from apps.runs.processes import OK, STOPPED

logger = logging.getLogger(__name__)

# Probes give up after a few seconds; a database that takes longer does not serve.
READY_SECONDS = 3.0
STOP_SECONDS = 1.0
RETRY_SECONDS = 5
NO_DATABASE = "the database does not answer"


class Health:
    """Of one web process. `facts` are told with its sign of life."""

    def __init__(self, threads: Threads, facts: Callable[[], dict[str, Any]]) -> None:
        self._threads = threads
        self._facts = facts
        self._looking: asyncio.Future[dict[str, Any]] | None = None
        self._card = processes.named("web", "")
        self._beating: asyncio.Task[None] | None = None

    async def alive(self) -> HttpResponse:
        if self._threads.stuck():
            return error_answer(_refusal("no thread has become free for a minute", {}))
        return json_answer({"status": "ok"})

    async def ready(self) -> HttpResponse:
        """Probes that come meanwhile share one look."""
        if self._looking is None or self._looking.done():
            self._looking = self._threads.run(look)
        try:
            found = await asyncio.wait_for(asyncio.shield(self._looking), READY_SECONDS)
        except TimeoutError:
            found = {"checks": {"database": _failed(NO_DATABASE, READY_SECONDS)}}
        failed = [c["error"] for c in found["checks"].values() if c["required"] and not c["ok"]]
        if failed:
            return error_answer(_refusal("; ".join(failed), found))
        return json_answer({"status": "ready", **found})

    # --- the sign of life ------------------------------------------------------------------------

    def start(self) -> None:
        """With the event loop; what it says is written in one of Django's threads, so that neither
        hangs unseen."""
        self._beating = asyncio.create_task(self._beat_for_ever())

    async def stop(self) -> None:
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._threads.run(self._beat, STOPPED), STOP_SECONDS)

    async def _beat_for_ever(self) -> None:
        while True:
            await self._threads.run(self._beat, OK)
            await asyncio.sleep(settings.SILENT_SECONDS / 5)

    def _beat(self, state: str) -> None:
        try:
            processes.beat_now(self._card, state, self._facts())
        except DatabaseError as error:
            logger.warning("no sign of life could be given: %s", type(error).__name__)
        except Exception:  # a sign that fails must not end those that follow
            logger.exception("no sign of life could be given")
        finally:
            connections.close_all()


def _refusal(message: str, details: dict[str, Any]) -> ApiError:
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return ApiError(503, "unavailable", message, details=details, headers=headers)


# --- what is looked at ---------------------------------------------------------------------------


def look() -> dict[str, Any]:
    """The checks, each with its time, and how many processes of each kind are at work."""
    checks: dict[str, Any] = {}
    at_work: Counter[str] = Counter({"web": 0, "worker": 0, "scheduler": 0})
    began = time.monotonic()
    try:
        applied = _applied()
        checks["database"] = _ok(began)
        missing = len(_on_disk() - applied)
        checks["migrations"] = (
            _failed(f"{missing} migrations are not applied", 0.0) if missing else _ok(began)
        )
        if not missing:
            seen = processes.seen()
            at_work.update(p.kind for p in seen if p.alive(settings.SILENT_SECONDS))
    except DatabaseError:
        checks["database"] = _failed(NO_DATABASE, time.monotonic() - began)
    finally:
        connections.close_all()
    began = time.monotonic()
    redis = _ok(began) if queue.redis_answers() else _failed("Redis does not answer", 0.0)
    checks["redis"] = {**redis, "required": False, "ms": _ms(time.monotonic() - began)}
    return {"checks": checks, "processes": dict(at_work)}


def _applied() -> set[tuple[str, str]]:
    """The migrations that the database has had; none where it has never been set up."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('django_migrations') IS NOT NULL")
        if cursor.fetchone() != (True,):
            return set()
        cursor.execute("SELECT app, name FROM django_migrations")
        return {(row[0], row[1]) for row in cursor.fetchall()}


@cache
def _on_disk() -> set[tuple[str, str]]:
    """The migrations that this version has, by their files: loading them would cost memory."""
    found = set()
    for app in apps.get_app_configs():
        folder = Path(app.path) / "migrations"
        found |= {
            (app.label, module.name)
            for module in pkgutil.iter_modules([str(folder)])
            if not module.name.startswith(("_", "~"))
        }
    return found


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _ok(began: float) -> dict[str, Any]:
    return {"ok": True, "required": True, "ms": _ms(time.monotonic() - began)}


def _failed(error: str, seconds: float) -> dict[str, Any]:
    return {"ok": False, "required": True, "ms": _ms(seconds), "error": error}
