"""Operations without a source: describing code, choices, dry runs, connecting accounts.

Each kind has its own number of places, so that dry runs that sleep delay no one who deploys; of
the kinds that run code on a caller's behalf one owner takes a part of the places only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import orjson
import psycopg
from django.db import DatabaseError

from apps.core.about import this_is_about
from apps.core.errors import ApiError
from apps.core.http import Client
from apps.core.measures import ERRANDS_ENDED
from apps.core.secrets import Undecipherable
from apps.runs import asking, describing, importing, operations, rehearsal
from apps.runs.contract import (
    Invocation,
    Limits,
    Options,
    Outcome,
    RunError,
)
from workers.accounts import Accounts, NotGranted
from workers.connecting import connect
from workers.database import Line, in_thread
from workers.fetching import Fetcher
from workers.importing import Importer
from workers.loading import Loader, code_id
from workers.packages import installer_for, patient_installer
from workers.runtime.broker import BrokerError
from workers.runtime.pool import Runtime
from workers.settings import RunnerSettings

logger = logging.getLogger(__name__)

PLACES: Final = {"describe": 4, "fetch": 8, "import": 1, "options": 8, "dry_run": 4, "connect": 8}
# An import describes hundreds of files; whoever deploys meanwhile finds a place.
PLACES_OF_ONE_OWNER: Final = {"describe": 2, "fetch": 3, "options": 4, "dry_run": 2, "connect": 4}
# They do something outside, which is not to be done twice.
ONCE: Final = ("dry_run", "connect")
# What loading may take, and the waiting for a child, on top of the time of the run itself.
LOAD_SECONDS: Final = 60.0
# What fetching may take before, and installing the packages of what is imported into the registry.
FETCH_SECONDS: Final = 30.0
PATIENT_SECONDS: Final = 300.0

# Chosen apart from the update: joined to it, a plan may choose once for each row that it updates,
# and pass over what it has updated itself. The second row would be taken and carried out by nobody.
_CLAIM = """
WITH open AS MATERIALIZED (
  SELECT id FROM operation
  WHERE source_id IS NULL AND kind = ANY(%(kinds)s)
    AND (state = 'queued' OR (state = 'running' AND until < app_now()))
    AND kind || owner_id <> ALL(%(full)s)
  ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
UPDATE operation o SET state = 'running', attempt = attempt + 1, token = %(token)s,
       until = app_now() + make_interval(secs => CASE
           WHEN o.owner_id = %(patient)s THEN %(patience)s
           WHEN o.kind = 'dry_run' THEN %(long)s
           WHEN o.kind = 'fetch' THEN %(fetch)s ELSE %(short)s END)
FROM open WHERE o.id = open.id RETURNING o.id, o.kind, o.owner_id, o.args, o.attempt, o.token
"""

_GIVE_BACK = """
UPDATE operation SET state = 'queued', attempt = attempt - 1, until = app_now()
WHERE id = %(id)s AND token = %(token)s AND state = 'running'
"""


@dataclass(frozen=True, slots=True)
class Errand:
    id: int
    kind: str
    owner_id: str
    args: dict[str, Any]
    attempt: int
    token: int


class Errands:
    """What is under way of them in this worker."""

    def __init__(
        self,
        settings: RunnerSettings,
        runtime: Runtime,
        leases: Line,
        accounts: Accounts,
        client: Client | None = None,
    ) -> None:
        self._settings = settings
        self._runtime = runtime
        self._leases = leases
        self._accounts = accounts
        self._loader = Loader(runtime, installer_for(runtime), settings.memory_bytes)
        patient = patient_installer(runtime, PATIENT_SECONDS)
        self._patient = Loader(runtime, patient, settings.memory_bytes)
        self._fetcher = Fetcher(runtime, client)
        self._importer = Importer(runtime)
        self._running: dict[int, Errand] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._claiming = asyncio.Lock()
        self._stopping = False

    @property
    def busy(self) -> bool:
        return bool(self._running)

    async def claim(self) -> None:
        """Begin what waits, as far as there are places."""
        async with self._claiming:
            while (kinds := self._kinds_with_places()) and (errand := await self._next(kinds)):
                self._running[errand.id] = errand
                task = asyncio.create_task(self._see_to(errand))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _next(self, kinds: list[str]) -> Errand | None:
        async with self._leases as connection:
            cursor = await connection.execute(_CLAIM, self._claim_values(kinds))
            row = await cursor.fetchone()
        if row is None:
            return None
        operation_id, kind, owner_id, args, attempt, token = row
        return Errand(operation_id, kind, owner_id, orjson.loads(bytes(args)), attempt, token)

    async def stop(self, grace_seconds: float) -> None:
        """Take nothing more; what has not ended within the grace is given back (G7)."""
        async with self._claiming:
            self._stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._fetcher.close()

    async def _give_back(self, errand: Errand) -> None:
        """Another worker may begin at once, except what is never begun twice."""
        if errand.kind in ONCE:
            refused = ApiError(503, "worker_stopped", "the worker was stopped; try again")
            await in_thread(operations.refuse, errand.id, refused)
            return
        async with self._leases as connection:
            await connection.execute(_GIVE_BACK, {"id": errand.id, "token": errand.token})

    def _kinds_with_places(self) -> list[str]:
        if self._stopping:
            return []
        taken = Counter(errand.kind for errand in self._running.values())
        return [kind for kind, places in PLACES.items() if taken[kind] < places]

    def _claim_values(self, kinds: list[str]) -> dict[str, Any]:
        taken = Counter((errand.kind, errand.owner_id) for errand in self._running.values())
        return {
            "token": secrets.randbits(62) + 1,
            "patient": importing.OWNER,
            "patience": LOAD_SECONDS + PATIENT_SECONDS,
            "fetch": LOAD_SECONDS + FETCH_SECONDS,
            "short": LOAD_SECONDS,
            "long": LOAD_SECONDS + self._settings.hook_seconds,
            "kinds": kinds,
            "full": [
                kind + owner
                for (kind, owner), count in taken.items()
                if count >= PLACES_OF_ONE_OWNER.get(kind, PLACES[kind])
            ],
        }

    async def _see_to(self, errand: Errand) -> None:
        this_is_about(operation_id=errand.id, owner_id=errand.owner_id)
        try:
            await self._carry_out(errand)
            ERRANDS_ENDED.labels(errand.kind).inc()
        except asyncio.CancelledError:
            await self._give_back(errand)
            raise
        except (psycopg.Error, DatabaseError, OSError, BrokerError):
            # Its row stays `running` until its lease is over, and is tried again then.
            logger.warning("operation %s could not be carried out", errand.id, exc_info=True)
        except Exception:
            # A fault of ours, which would come back as often as it is tried.
            logger.exception("operation %s has failed", errand.id)
            await self._give_up(errand)
        finally:
            del self._running[errand.id]
        with contextlib.suppress(psycopg.Error, OSError):
            await self.claim()

    async def _give_up(self, errand: Errand) -> None:
        fault = ApiError(500, "internal_error", "internal error")
        with contextlib.suppress(DatabaseError, OSError):
            await in_thread(operations.refuse, errand.id, fault)

    async def _carry_out(self, errand: Errand) -> None:
        if errand.kind == "options":
            await self._ask(errand)
        elif errand.kind == "dry_run":
            await self._rehearse(errand)
        elif errand.kind == "connect":
            await connect(self._accounts, errand.id, errand.owner_id, errand.args, errand.attempt)
        elif errand.kind in ("fetch", "import"):
            await self._prepare(errand)
        else:
            await self._describe(errand)

    # --- describing -----------------------------------------------------------------------------

    async def _prepare(self, errand: Errand) -> None:
        """Code that is to be fetched first, and packages of code."""
        try:
            if errand.kind == "import":
                await self._importer.plan(errand.id, errand.args)
                return
            args = await self._fetcher.fetched(errand.id, errand.args)
        except ApiError as refused:
            await in_thread(operations.refuse, errand.id, refused)
        else:
            await self._describe(replace(errand, args=args))

    async def _describe(self, errand: Errand) -> None:
        if errand.attempt > self._settings.run_attempts:
            error = RunError(
                "Worker Lost", "the worker died each time this code was loaded", code="load_failed"
            )
            result: dict[str, Any] = {"error": asdict(error)}
        else:
            loader = self._patient if errand.owner_id == importing.OWNER else self._loader
            result = await loader.describe(errand.id, errand.owner_id, errand.args)
        await in_thread(describing.finish, errand.id, result)

    # --- choices of a prop ----------------------------------------------------------------------

    async def _ask(self, errand: Errand) -> None:
        try:
            code, call, resolved = await in_thread(
                asking.question, errand.id, errand.owner_id, errand.args
            )
            granted = await self._accounts.grant(errand.owner_id, resolved)
        except Undecipherable as lost:
            refused = ApiError(409, "secret_lost", str(lost))
            await in_thread(operations.refuse, errand.id, refused)
            return
        except NotGranted as closed:
            await in_thread(asking.answer, errand.id, Options([]), closed.error)
            return
        call = replace(call, props=granted.props, masked=granted.masked)
        limits = Limits(wall_s=asking.SECONDS, memory_bytes=self._settings.memory_bytes)
        page, error = await self._runtime.options(code, call, limits)
        await in_thread(asking.answer, errand.id, page, error)

    # --- dry runs -------------------------------------------------------------------------------

    async def _rehearse(self, errand: Errand) -> None:
        """Never twice: whatever it did outside has been done, and its caller has given up."""
        try:
            if errand.attempt > 1:
                raise ApiError(503, "worker_lost", "the worker died during the dry run")
            described: dict[str, Any] = {}
            if "code" in errand.args:
                described = await self._loader.describe(errand.id, errand.owner_id, errand.args)
            name = code_id(errand.id, described.get("language"))
            plan = await in_thread(rehearsal.plan, errand.owner_id, errand.args, described, name)
        except ApiError as refused:
            await in_thread(operations.refuse, errand.id, refused)
            return
        except Undecipherable as lost:
            await in_thread(operations.refuse, errand.id, ApiError(409, "secret_lost", str(lost)))
            return
        try:
            granted = await self._accounts.grant(errand.owner_id, plan.resolved)
        except NotGranted as closed:
            outcome = Outcome(error=closed.error, started_ms=int(time.time() * 1000))
            await in_thread(rehearsal.finish, errand.id, errand.owner_id, plan, outcome)
            return
        invocation = Invocation(
            run_id=f"op_{errand.id}",
            source_id=rehearsal.SOURCE_ID,
            entry=plan.entry,
            cause="manual" if plan.entry == "run" else plan.entry,
            props=granted.props,
            event=plan.event,
            store=plan.store,
            masked=granted.masked,
        )
        limits = Limits(
            wall_s=self._settings.hook_seconds, memory_bytes=self._settings.memory_bytes
        )
        outcome = await self._runtime.run(plan.code, invocation, limits)
        await in_thread(rehearsal.finish, errand.id, errand.owner_id, plan, outcome)
