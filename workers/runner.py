"""Takes leases, fills its slots with drains, hands what they did to the committer, lets go.

    offer(ids) ─┐                          ┌─ Drain (a child process each) ─┐
    claim ──────┴→ queue → take leases ────┤                                ├→ Committer → release
    (each second)                          └─ operations (hooks, describe) ─┘   and look once more

One event loop in one thread. Hints only fill the queue; everything that counts is in Postgres, so
an idle runner finds due work by itself every `CLAIM_SECONDS`, broker or not. Leases are taken for
free slots only, so that a source never waits under a lease for a slot of this worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable

import psycopg
import redis

from apps.core.about import ids, this_is_about
from apps.core.crash import crash
from apps.core.http import by_settings
from apps.events.stream import Stream
from apps.runs import lease, queue
from apps.runs.commit import Drained
from apps.runs.lease import Held
from workers.accounts import PROVIDER_SECONDS, Accounts
from workers.committer import Committer
from workers.database import Line
from workers.delivery import Delivery, delivery_settings
from workers.drain import Doors, Drain
from workers.fanout import FanOut
from workers.holding import Holding
from workers.operations import Operations
from workers.preparing import Components
from workers.pulse import DELIVER, FAILURE_PAUSE_SECONDS, FAN_OUT, RENEW, TAKE, runner_pulse
from workers.queueing import Queue
from workers.responding import Responder
from workers.runtime.broker import BrokerError
from workers.runtime.pool import Runtime
from workers.settings import RunnerSettings

logger = logging.getLogger(__name__)

ROWS_PER_SOURCE = 20
# Sources found by one look at the mailboxes.
CLAIM = 64
# Seconds for which a runner under load lets slots gather, so that leases are taken by the dozen.
GATHER_SECONDS = 0.002
REDIS_PATIENCE_SECONDS = 0.25
REDIS_PAUSE_SECONDS = 2.0


class Runner:
    """One per worker process: `start`, then `offer`; `stop` finishes or releases."""

    def __init__(self, settings: RunnerSettings, runtime: Runtime) -> None:
        self.settings = settings
        self.runtime = runtime
        self._leases = Line(settings.database_url, asynchronous=True)
        self._commits = Line(settings.database_url)
        self._redis = redis.asyncio.Redis.from_url(
            settings.redis_url, socket_timeout=2, socket_connect_timeout=1
        )
        self._fan_out = FanOut(settings, self._wake_listeners)
        self._delivery = Delivery(settings.database_url, delivery_settings())
        self._hinting: set[asyncio.Task[int]] = set()
        self._committer = Committer(
            self._commits,
            self._leases,
            Stream(self._redis, settings.stream_length),
            settings.stream_length,
            self._let_go,
            lambda: len(self._holding.work),
            settings.lease_seconds,
            self._fan_out.offer,
        )
        self._components = Components()
        self._holding = Holding(self._leases, settings.lease_seconds)
        self._answers = Line(settings.database_url)
        self._responder = Responder(self._answers, self._redis)
        self._accounts = Accounts(Line(settings.database_url), by_settings(PROVIDER_SECONDS))
        self._doors = Doors(
            self._holding.mark_started,
            self._committer.flush,
            self._responder.put,
            self._holding.more,
            self._accounts.grant,
        )
        self._operations = Operations(
            settings,
            runtime,
            self._commits,
            self._leases,
            self._components,
            self._doors,
            self._accounts,
        )
        self._queue = Queue(settings.share)
        self.pulse = runner_pulse(settings, runtime, self._holding, self._committer, self._delivery)
        self._wake = asyncio.Event()
        self._cursor = ""
        self._claim_at = 0.0
        self._paused_until = 0.0
        self._redis_closed_until = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self.loop: asyncio.AbstractEventLoop | None = None

    # --- from outside ---------------------------------------------------------------------------

    async def start(self) -> None:
        self.loop = asyncio.get_running_loop()
        await self.runtime.start()
        self._tasks = [
            asyncio.create_task(self._committer.serve(), name="commit"),
            self._loop(TAKE, self._take),
            self._loop(RENEW, self._holding.renew, until=lambda: False),
            self._loop(FAN_OUT, self._fan_out.step),
            self._loop(DELIVER, self._delivery.step),
        ]

    def _loop(
        self,
        name: str,
        step: Callable[[], Awaitable[None]],
        until: Callable[[], bool] | None = None,
    ) -> asyncio.Task[None]:
        stopping = until or (lambda: self._stopping)
        return asyncio.create_task(self.pulse.forever(name, step, stopping), name=name)

    def offer(self, source_ids: Iterable[str]) -> None:
        """A hint, from the loop's own thread; `offer_threadsafe` from any other."""
        self._queue.offer(source_ids)
        self._wake.set()

    def offer_threadsafe(self, source_ids: Iterable[str]) -> None:
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.offer, list(source_ids))

    def fan_out_threadsafe(self, emitter_ids: Iterable[str]) -> None:
        """A hint that events of these sources are due."""
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._fan_out.offer, list(emitter_ids))

    def deliver_threadsafe(self, webhook_ids: Iterable[str]) -> None:
        """A hint that these webhooks have deliveries that are due."""
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._delivery.offer, list(webhook_ids))

    def claim_soon(self) -> None:
        """Look for work without waiting for the next claim (hint of an operation)."""
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._claim_now)

    async def stop(self, grace_seconds: float) -> None:
        """Take nothing more; let what runs end within the grace, else kill it; release leases."""
        self._stopping = True
        until = time.monotonic() + grace_seconds
        self._wake.set()
        deliveries = asyncio.create_task(self._delivery.stop(grace_seconds))
        errands = asyncio.create_task(self._operations.stop(grace_seconds))
        await self._holding.wait(grace_seconds)
        await self._holding.end()
        await self._committer.settle()
        await self._responder.settle()
        await asyncio.gather(deliveries, errands, return_exceptions=True)
        await self._accounts.stop(max(1.0, until - time.monotonic()))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._holding.release()
        await self.runtime.close()
        await self.pulse.end(self._leases)
        await self._leases.close()
        await self._commits.close()
        await self._answers.close()
        await self._fan_out.close()
        await self._redis.aclose()

    # --- the loops ------------------------------------------------------------------------------

    async def _take(self) -> None:
        """Fill the free slots from the hints, or from a look at the mailboxes when it is time."""
        if (pause := self._paused_until - time.monotonic()) > 0:
            await asyncio.sleep(pause)
        self._wake.clear()
        free = self._free()
        # Hints come first, but they must not keep the runner from looking for itself for ever.
        if free > 0 and self._until_look() <= 0:
            await self._claim()
        await self.pulse.beat(self._leases)
        ids = await self._choose()
        if not ids:
            # Without a free slot for anybody who waits, only one that ends is of use: it wakes us;
            # until then this loop turns for its sign of life.
            # The next look is due at its time, which a slow look may have passed already.
            left = self.settings.claim_seconds if free <= 0 else max(0.0, self._until_look())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._wake.wait()
            return
        await self._lease(ids)

    def _until_look(self) -> float:
        """Seconds until the next look at the mailboxes; below 0, it is overdue."""
        patience = self.settings.claim_seconds if self._queue else 0.0
        return self._claim_at + patience - time.monotonic()

    async def _choose(self) -> list[str]:
        """The sources that get the free slots."""
        if self._queue and 0 < self._free() < self.settings.slots // 2:
            await asyncio.sleep(GATHER_SECONDS)
        if (free := self._free()) <= 0:
            return []
        if strangers := self._queue.strangers():
            async with self._leases as connection:
                self._queue.learn(strangers, await lease.owners(connection, strangers))
        return self._queue.choose(free, self._holding.work)

    def _free(self) -> int:
        return self.settings.slots - len(self._holding.work)

    async def _claim(self) -> None:
        """Look for due work without any hint; while there is more than a look takes, look on."""
        async with self._leases as connection:
            ids = await lease.waiting_operations(connection, CLAIM)
            found = await lease.waiting(connection, self._cursor, CLAIM)
        more = len(found) == CLAIM
        self._cursor = found[-1] if more else ""
        self._claim_at = time.monotonic() + (0 if more else self.settings.claim_seconds)
        self.offer([*ids, *found])
        await self._operations.claim_describing()

    async def _lease(self, ids: list[str]) -> None:
        crash("before_lease")
        await self._clear_hints(ids)
        async with self._leases as connection:
            taken = await lease.take(connection, ids, self.settings.lease_seconds)
            if not taken:
                return
            self._holding.held.update(taken)
            try:
                await lease.look(connection, taken, ROWS_PER_SOURCE)
                await self._components.load(
                    connection, {h.component_id for h in taken.values() if h.rows}
                )
            except BaseException:
                # Held and not worked upon, they would be renewed for ever.
                self._holding.forget(taken.values())
                raise
        crash("after_lease")
        for held in taken.values():
            if held.operations:
                self._spend(held, None, self._operations.perform(held))
            elif held.rows:
                drain = Drain(held, self._components, self.runtime, self.settings, self._doors)
                self._spend(held, drain, drain.run())
            else:
                self._committer.add(Drained(held, []))

    async def _clear_hints(self, ids: list[str]) -> None:
        """A Redis that is not there, or hangs, holds up nothing: marks expire by themselves."""
        if time.monotonic() < self._redis_closed_until:
            return
        try:
            async with asyncio.timeout(REDIS_PATIENCE_SECONDS):
                await queue.clear_hints(self._redis, ids)
        except (redis.RedisError, OSError):
            self._redis_closed_until = time.monotonic() + REDIS_PAUSE_SECONDS

    def _spend(self, held: Held, drain: Drain | None, work: Coroutine[None, None, Drained]) -> None:
        """Give a slot to the work of one leased source; what it did goes to the committer."""
        task = asyncio.create_task(self._finish(held, drain, work))
        self._holding.work[held.source_id] = (drain, task)

    async def _finish(
        self, held: Held, drain: Drain | None, work: Coroutine[None, None, Drained]
    ) -> None:
        this_is_about(**ids(held))
        try:
            drained = await work
        except Exception as error:
            # No child can be made, the database is away, or a fault of ours: nothing is kept, the
            # mailbox has it still.
            logger.warning(
                "%s is let go: %r",
                held.source_id,
                error,
                exc_info=not isinstance(error, BrokerError | psycopg.Error),
            )
            await self._holding.spare([drain])
            drained = Drained(held, [])
            self._paused_until = time.monotonic() + FAILURE_PAUSE_SECONDS
        finally:
            self._holding.end_work(held, asyncio.current_task())
            self._wake.set()
        self._committer.add(drained)

    def _claim_now(self) -> None:
        self._claim_at = 0.0
        self._wake.set()

    def _wake_listeners(self, source_ids: list[str], webhook_ids: list[str]) -> None:
        """Take as many as slots are free; whatever is more is for everybody."""
        self._delivery.offer(webhook_ids)
        free = max(0, self._free() - len(self._queue))
        self.offer(source_ids[:free])
        if rest := source_ids[free:]:
            task = asyncio.create_task(asyncio.to_thread(queue.hint_sources, rest))
            self._hinting.add(task)
            task.add_done_callback(self._hinting.discard)

    def _let_go(self, held: list[Held], more: list[str]) -> None:
        self._holding.forget(held)
        self.offer(more)
