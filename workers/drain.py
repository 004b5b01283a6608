"""Step 2 of the way: the queued Runs of one leased source, in order, for a bounded time."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial

import psycopg

from apps.core.about import about
from apps.core.secrets import Undecipherable
from apps.events import dedupe
from apps.runs import store
from apps.runs.commit import Drained
from apps.runs.contract import Cause, Invocation, Limits, Outcome, Respond, RunError
from apps.runs.lease import Held, Row
from apps.runs.mailbox import ids, run_id
from apps.runs.record import Finished, Origin, add_error, finish
from apps.sources.resolving import Resolved
from workers.accounts import NotGranted
from workers.preparing import Components, Prepared
from workers.runtime.broker import BrokerError
from workers.runtime.pool import Runtime
from workers.settings import RunnerSettings

logger = logging.getLogger(__name__)

# After this long the mailbox is committed and the source let go; what is left comes next time.
DRAIN_SECONDS = 0.03
# Between looks for more requests to a source that takes several at once.
MORE_SECONDS = 0.05


Grant = Callable[[str, Resolved], Awaitable[Resolved]]


@dataclass(frozen=True, slots=True)
class Doors:
    """What a drain needs of its worker.

    mark_started  counts an attempt of (source id, mailbox row)
    flush         commits what has ended while the turn goes on; False: the lease is lost
    respond       answers the caller of an HTTP run; None: it has ended without an answer
    more          the oldest waiting HTTP runs of a source besides these rows, at most so many
    grant         the props of an owner's invocation with the credentials of its accounts
    last_attempt  held by the run that is on its last attempt; there is one of them in a worker
    """

    mark_started: Callable[[str, int], Awaitable[None]]
    flush: Callable[[Drained], Awaitable[bool]]
    respond: Callable[[uuid.UUID, Respond | None], None]
    more: Callable[[str, list[int], int], Awaitable[list[Row]]]
    grant: Grant
    last_attempt: asyncio.Lock = field(default_factory=asyncio.Lock)


_CAUSES: dict[str, Cause] = {
    "timer": "timer",
    "http": "http",
    "event": "event",
    "manual": "manual",
}


class Turn:
    """What one turn of a source changes: its store and its dedupe memory, run after run.

    Runs that overlap (HTTP runs beside each other, or beside `activate`) share one Turn: each
    settles when it ends, per key, against what the store is then (F4).
    """

    def __init__(self, held: Held, prepared: Prepared) -> None:
        self.held = held
        self.prepared = prepared
        self.origin = Origin(held.source_id, held.component_id, held.owner_id)
        self._memory = dedupe.load(held.dedupe)
        self._stored = self._remembered = False

    def settle(self, run: Finished, event: bytes, outcome: Outcome, emits: bool = True) -> Finished:
        """Dedupe what was emitted, keep what was stored: also of a run that failed half way."""
        if outcome.store:
            self.held.store = store.apply(self.held.store, outcome.store)
            self._stored = True
        sifted = dedupe.sift(
            self.prepared.dedupe,
            self._memory,
            outcome.emits if emits else [],
            succeeded=outcome.error is None,
        )
        self._remembered = self._remembered or sifted.changed
        return finish(run, self.origin, event, outcome, sifted)

    def drained(self, finished: list[Finished]) -> Drained:
        """What the committer needs: these Runs and the state they left, where it has changed since
        the last call."""
        drained = Drained(
            self.held,
            finished,
            store=self.held.store if self._stored else None,
            dedupe=dedupe.dump(self._memory) if self._remembered else None,
        )
        self._stored = self._remembered = False
        return drained


class LeaseLost(Exception):
    """A commit in the middle of a turn found the source in other hands."""


class Drain:
    """One source's turn at its mailbox.

    current  the rows whose children are running: the renewal of the lease counts an attempt of a
             run that takes long (F6)
    counted  the ids of the rows of which an attempt was counted, until their runs have ended
    """

    def __init__(
        self,
        held: Held,
        components: Components,
        runtime: Runtime,
        settings: RunnerSettings,
        doors: Doors,
    ) -> None:
        self.held = held
        self.current: dict[int, Row] = {}
        self.counted: set[int] = set()
        self._components = components
        self._runtime = runtime
        self._attempts = settings.run_attempts
        self._limits = Limits(wall_s=settings.run_seconds, memory_bytes=settings.memory_bytes)
        self._doors = doors

    async def run(self) -> Drained:
        """Run until the mailbox (as read) is empty or the time is up.

        After a lost lease the runs are taken one by one, each counted before its child starts, so
        that the one that takes its worker down is found and no other is blamed.
        """
        turn, broken = self._prepare()
        rows = self.held.rows
        if broken is not None:
            return turn.drained([self._without_child(turn, r, "failed", broken) for r in rows])
        if self.held.lost > 0:
            return turn.drained([await self._carefully(turn, rows[0])])
        if len(rows) == 1 and not self._wide(rows[0]):
            return turn.drained([await self._attempt(turn, rows[0])])
        return await self._several(turn, deque(rows))

    async def _carefully(self, turn: Turn, row: Row) -> Finished:
        """Counted before its child starts. A run that was under way at every death of a worker but
        the last is suspect; two of them are never under way together, so that the one that takes
        workers down is found, and the other is not blamed for having been there."""
        async with self._doors.last_attempt if row.attempt == self._attempts - 1 else nullcontext():
            await self.count(row)
            return await self._attempt(turn, row)

    async def _several(self, turn: Turn, waiting: deque[Row]) -> Drained:
        """One after the other; HTTP runs of a source that allows it beside each other. What has
        ended does not wait for what takes long: it is committed meanwhile, under the lease."""
        running: dict[asyncio.Task[Finished], Row] = {}
        finished: list[Finished] = []
        until = time.monotonic() + DRAIN_SECONDS
        taking = True
        wide = self._wide(waiting[0])
        try:
            while running or (waiting and taking):
                while waiting and self._may_begin(waiting[0], running.values(), taking):
                    row = waiting.popleft()
                    running[asyncio.create_task(self._attempt(turn, row))] = row
                patience = max(0.0, until - time.monotonic()) if finished else None
                if wide:
                    patience = MORE_SECONDS
                done, _ = await asyncio.wait(
                    running, timeout=patience, return_when=asyncio.FIRST_COMPLETED
                )
                finished += [task.result() for task in running if task in done]
                running = {task: row for task, row in running.items() if task not in done}
                if time.monotonic() >= until:
                    taking = False
                    if running and finished:
                        if not await self._doors.flush(turn.drained(finished)):
                            raise LeaseLost(self.held.source_id)
                        finished = []
                if wide and not waiting:
                    waiting.extend(await self._more(running.values(), finished))
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        return turn.drained(finished)

    def _wide(self, row: Row) -> bool:
        return self.held.concurrency > 1 and row.cause == "http"

    async def _more(self, running: Collection[Row], finished: list[Finished]) -> list[Row]:
        """What came while others are being answered, for the places that are free."""
        room = self.held.concurrency - len(running)
        if not running or room <= 0:
            return []
        known = [row.id for row in running]
        known += [run.mailbox_id for run in finished if run.mailbox_id is not None]
        return await self._doors.more(self.held.source_id, known, room)

    def _may_begin(self, row: Row, running: Collection[Row], taking: bool) -> bool:
        if not running:
            return taking
        if not taking and self.held.concurrency == 1:
            return False
        beside = row.cause == "http" and all(r.cause == "http" for r in running)
        return beside and len(running) < self.held.concurrency

    async def _attempt(self, turn: Turn, row: Row) -> Finished:
        if row.attempt >= self._attempts:
            finished = self._without_child(turn, row, "dead", self._worker_lost())
        else:
            finished = await self.one(turn, row)
        # Not when it was cancelled or could not begin: then the attempt is taken back (F6).
        self.counted.discard(row.id)
        return finished

    async def count(self, row: Row) -> None:
        """Count an attempt of this run in the database, before or while its child runs. The row
        goes on telling how many there were before."""
        self.counted.add(row.id)
        await self._doors.mark_started(self.held.source_id, row.id)

    def _prepare(self) -> tuple[Turn, RunError | None]:
        try:
            return Turn(self.held, self._components.prepare(self.held)), None
        except Undecipherable as error:
            nothing = self._components.without_props(self.held)
            return Turn(self.held, nothing), RunError("Configuration Error", str(error))

    async def one(self, turn: Turn, row: Row) -> Finished:
        """A fault of ours ends this run, not its source: tried again it would come back for ever.
        Raises BrokerError and psycopg errors: then the run is as good as not begun."""
        with about(**ids(self.held.source_id, row.cause, row.key)):
            try:
                return await self._in_child(turn, row)
            except (BrokerError, psycopg.Error, OSError):
                raise
            except Exception:
                logger.exception("a run of %s could not be carried out", self.held.source_id)
                error = RunError("Internal Error", "the platform could not carry out this run")
                return self._without_child(turn, row, "failed", error)

    async def _in_child(self, turn: Turn, row: Row) -> Finished:
        try:
            granted = await self._doors.grant(self.held.owner_id, turn.prepared.resolved)
        except NotGranted as refused:
            return self._without_child(turn, row, "failed", refused.error)
        run = _begin(self.held.source_id, row)
        invocation = Invocation(
            run_id=str(run.run_id),
            source_id=self.held.source_id,
            entry="run",
            cause=_CAUSES[row.cause],
            props=granted.props,
            event=row.payload,
            store=self.held.store,
            masked=granted.masked,
        )
        on_respond = None
        if row.cause == "http" and turn.prepared.responds:
            on_respond = partial(self._doors.respond, run.run_id)
        row.began = time.monotonic()
        self.current[row.id] = row
        try:
            outcome = await self._runtime.run(
                turn.prepared.code, invocation, self._limits, on_respond
            )
        finally:
            del self.current[row.id]
        if on_respond is not None and outcome.response is None:
            on_respond(None)
        return turn.settle(run, row.payload, outcome)

    def _worker_lost(self) -> RunError:
        return RunError(
            "Worker Lost", f"the worker died {self._attempts} times while this run was going on"
        )

    def _without_child(self, turn: Turn, row: Row, state: str, error: RunError) -> Finished:
        run = _begin(self.held.source_id, row)
        run.state, run.attempt = state, row.attempt
        run.started_ms = run.ended_ms = int(time.time() * 1000)
        add_error(run, turn.origin, row.payload, error)
        if row.cause == "http":
            self._doors.respond(run.run_id, None)
        return run


def _begin(source_id: str, row: Row) -> Finished:
    return Finished(
        mailbox_id=row.id,
        run_id=run_id(source_id, row.cause, row.key),
        cause=row.cause,
        key=row.key,
        cause_at=row.cause_at,
        queued_at=row.queued_at,
        started_ms=0,
        ended_ms=0,
        duration_ms=0,
        state="succeeded",
        attempt=row.attempt + 1,
        hops=row.hops,
        quiet=row.channel.startswith("$"),
        emitted_by=row.emitted_by,
    )
