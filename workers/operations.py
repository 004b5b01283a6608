"""Operations on a source in the runner: its hooks, under its lease.

The dialogue about hooks is `apps.runs.conduct`'s; this side runs them in children and commits what
they did. An operation is attempted as often as a run; a worker that dies leaves its row `running`
and the source's lease expires, so the next holder goes on with it. Operations without a source are
`workers.errands`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime

from apps.core.about import this_is_about
from apps.runs import conduct, lease
from apps.runs.commit import Drained, commit
from apps.runs.contract import Invocation, Limits, Outcome, RunError
from apps.runs.lease import Held
from apps.runs.record import Finished
from workers.accounts import Accounts, NotGranted
from workers.database import Line, in_thread
from workers.drain import Doors, Drain, LeaseLost, Turn
from workers.errands import Errands
from workers.preparing import Components, Prepared
from workers.runtime.pool import Runtime
from workers.settings import RunnerSettings

# Between looks for HTTP runs while `activate` goes on.
SERVE_SECONDS = 0.05

_CLAIM = """
UPDATE operation SET state = 'running', attempt = attempt + 1
WHERE id = %(id)s AND state IN ('queued', 'running') RETURNING attempt
"""


class Operations:
    def __init__(
        self,
        settings: RunnerSettings,
        runtime: Runtime,
        commits: Line,
        leases: Line,
        components: Components,
        doors: Doors,
        accounts: Accounts,
    ) -> None:
        self._settings = settings
        self._runtime = runtime
        self._commits, self._leases = commits, leases
        self._components, self._doors = components, doors
        self._errands = Errands(settings, runtime, leases, accounts)

    async def stop(self, grace_seconds: float) -> None:
        """Of the operations on sources the leases take care."""
        await self._errands.stop(grace_seconds)

    async def perform(self, held: Held) -> Drained:
        """Carry out the open operations of a leased source, one after the other.

        What its hooks did is committed here; the committer publishes it and lets the source go.
        """
        for operation_id in held.operations:
            async with self._leases as connection:
                cursor = await connection.execute(_CLAIM, {"id": operation_id})
                row = await cursor.fetchone()
            if row is None:
                continue
            if row[0] > self._settings.run_attempts:
                error = RunError("Worker Lost", "the worker died each time this was tried")
                await in_thread(conduct.give_up, operation_id, error)
                continue
            await self._conduct(held, operation_id)
        return Drained(held, [])

    async def _conduct(self, held: Held, operation_id: int) -> None:
        this_is_about(operation_id=operation_id)
        while (hook := await in_thread(conduct.next_hook, operation_id)) is not None:
            error = await self._hook(held, hook)
            await in_thread(conduct.record, operation_id, hook, error)

    async def _hook(self, held: Held, hook: conduct.Hook) -> RunError | None:
        """Run one hook in a child and commit what it did, under the fence."""
        this_is_about(run_id=str(hook.run_id), cause=hook.entry)
        limits = Limits(
            wall_s=self._settings.hook_seconds, memory_bytes=self._settings.memory_bytes
        )
        prepared = Prepared(hook.code, hook.dedupe, hook.resolved, hook.responds)
        now = datetime.fromtimestamp(time.time(), UTC)
        held.component_id = hook.code.component_id
        turn = Turn(held, prepared)
        outcome = await self._carry_out(turn, hook, limits)
        run = Finished(
            mailbox_id=None,
            run_id=hook.run_id,
            cause=hook.entry,
            key=hook.key,
            cause_at=now,
            queued_at=now,
            started_ms=0,
            ended_ms=0,
            duration_ms=0,
            state="succeeded",
            attempt=1,
        )
        turn.settle(run, b"null", outcome, emits=not hook.discard_emits)
        await self._keep(turn, run)
        return outcome.error

    async def _carry_out(self, turn: Turn, hook: conduct.Hook, limits: Limits) -> Outcome:
        try:
            granted = await self._doors.grant(hook.owner_id, hook.resolved)
        except NotGranted as refused:
            return Outcome(error=refused.error, started_ms=int(time.time() * 1000))
        invocation = Invocation(
            run_id=str(hook.run_id),
            source_id=hook.source_id,
            entry=hook.entry,
            cause=hook.entry,
            props=granted.props,
            store=turn.held.store,
            masked=granted.masked,
        )
        if hook.serve_http:
            return await self._beside_http(turn, hook, invocation, limits)
        return await self._runtime.run(hook.code, invocation, limits)

    async def _beside_http(
        self, turn: Turn, hook: conduct.Hook, invocation: Invocation, limits: Limits
    ) -> Outcome:
        """Run `activate`; what its provider sends to the endpoint meanwhile, to have it answered,
        runs in a second child under the same fence (F4)."""
        ended = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._serve_http(turn, ended))
            try:
                return await self._runtime.run(hook.code, invocation, limits)
            finally:
                ended.set()

    async def _serve_http(self, turn: Turn, ended: asyncio.Event) -> None:
        drain = Drain(turn.held, self._components, self._runtime, self._settings, self._doors)
        while not ended.is_set():
            async with self._leases as connection:
                rows = await lease.http_rows(connection, turn.held.source_id)
            for row in rows:
                await self._keep(turn, await drain.one(turn, row))
            if not rows:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(SERVE_SECONDS):
                        await ended.wait()

    async def _keep(self, turn: Turn, run: Finished) -> None:
        """Commit what one run or hook did, under the fence."""
        async with self._commits as connection:
            committed = await commit(connection, [turn.drained([run])])
        if (mine := committed.get(turn.held.source_id)) is None:
            raise LeaseLost(turn.held.source_id)
        turn.held.last = mine.last

    async def claim_describing(self) -> None:
        """Begin what waits of the operations that belong to no source."""
        await self._errands.claim()
