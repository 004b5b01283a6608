"""Step 5 of the way: POSTs what is due to webhooks, records each attempt, retries or gives up.

Every worker process has one, on the runner's loop. It is woken by its own process's fan-out, by
hints, and looks for itself every `claim_seconds`. Webhooks are the unit, as sources are the
runner's: of each at most a few deliveries are under way, of each host and owner no more than their
share, and of a host that hangs a single one; so whoever hangs is waited for by itself alone.

What is claimed is leased for longer than an attempt can take. A worker that is killed costs its
deliveries that lease; they are tried again with the same id, as after an answer that was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.conf import settings as django_settings

from apps.core.about import this_is_about
from apps.core.addresses import BadUrl, Target
from apps.core.http import Answer, Client, Failed, by_settings
from apps.core.secrets import Undecipherable
from apps.subscriptions import deliveries, retries, signing, webhooks
from apps.subscriptions.deliveries import Claimed, Receiver, Tried
from workers import counting, tracing
from workers.database import Line

logger = logging.getLogger(__name__)

# Webhooks of one claim; found by one look.
GROUP = 50
PER_HOST = 8
# Share of the slots that one owner's receivers may take.
OWNERS_SHARE = 0.5
# Hosts that are remembered for having hung.
REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """Seconds and counts; see `config.settings` for their meanings."""

    claim_seconds: float
    seconds: float
    slots: int

    @property
    def lease_seconds(self) -> float:
        """An attempt, and as long again to record it while the database is slow."""
        return 2 * self.seconds


def delivery_settings() -> DeliverySettings:
    return DeliverySettings(
        claim_seconds=django_settings.CLAIM_SECONDS,
        seconds=django_settings.DELIVERY_SECONDS,
        slots=django_settings.DELIVERY_SLOTS,
    )


class Delivery:
    """`offer`, and `step` for ever; `stop` finishes or releases."""

    def __init__(
        self, database_url: str, settings: DeliverySettings, client: Client | None = None
    ) -> None:
        self._settings = settings
        self._line = Line(database_url)
        self._client = client or by_settings(settings.seconds)
        self._pending: dict[str, None] = {}
        # Webhooks that had more than there was room for: looked at again when something ends.
        self._stalled: dict[str, None] = {}
        self._flying: dict[asyncio.Task[None], Claimed] = {}
        self._of_host: Counter[str] = Counter()
        self._of_owner: Counter[str] = Counter()
        self._hung: dict[str, None] = {}
        self._done: list[Tried] = []
        self._wake = asyncio.Event()
        self._stepping = asyncio.Lock()
        self._look_at = 0.0
        self._cursor = ""
        self._stopping = False

    @property
    def flying(self) -> int:
        """Attempts under way."""
        return len(self._flying)

    def offer(self, webhook_ids: Iterable[str]) -> None:
        """These webhooks have something due; from the loop's own thread."""
        for webhook_id in webhook_ids:
            self._pending[webhook_id] = None
        self._wake.set()

    async def step(self) -> None:
        """Record what ended, start what is due; without either, wait for it."""
        self._wake.clear()
        async with self._stepping:
            await self._record()
            if time.monotonic() >= self._look_at:
                await self._look()
            if self._pending and len(self._flying) < self._settings.slots:
                await self._start()
                return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self._look_at - time.monotonic())):
                await self._wake.wait()

    async def stop(self, grace_seconds: float) -> None:
        """Start nothing more; record what ends within the grace, give back the rest."""
        self._stopping = True
        self._wake.set()
        async with self._stepping:
            if self._flying:
                await asyncio.wait(self._flying, timeout=grace_seconds)
            rest = dict(self._flying)
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            with contextlib.suppress(psycopg.Error, OSError):
                await self._record()
                async with self._line as connection:
                    await deliveries.release(connection, list(rest.values()))
        await self._client.close()
        await self._line.close()

    # --- what is due ------------------------------------------------------------------------------

    async def _look(self) -> None:
        async with self._line as connection:
            found = await deliveries.due(connection, self._cursor, GROUP)
        more = len(found) == GROUP
        self._cursor = found[-1] if more else ""
        self._look_at = time.monotonic() + (0 if more else self._settings.claim_seconds)
        for webhook_id in found:
            self._pending[webhook_id] = None

    async def _start(self) -> None:
        """Claim for one group of webhooks what there is room for, and send it off."""
        if self._stopping:
            return
        ids = list(self._pending)[:GROUP]
        for webhook_id in ids:
            del self._pending[webhook_id]
        async with self._line as connection:
            found = await deliveries.receivers(connection, ids)
            rooms = self._rooms(found)
            wanted = {webhook_id: room for webhook_id, room in rooms.items() if room}
            claimed = (
                await deliveries.claim(connection, wanted, self._settings.lease_seconds)
                if wanted
                else []
            )
        by_id = {receiver.webhook_id: receiver for receiver in found}
        for one in claimed:
            self._send(by_id[one.webhook_id], one)
        taken = Counter(one.webhook_id for one in claimed)
        for receiver in found:
            if taken[receiver.webhook_id] == rooms[receiver.webhook_id]:
                again = self._pending if self._room(receiver) > 0 else self._stalled
                again[receiver.webhook_id] = None

    def _rooms(self, found: list[Receiver]) -> dict[str, int]:
        """How many deliveries of each may be started, so that together they keep every limit."""
        rooms: dict[str, int] = {}
        hosts, owners, left = (
            Counter[str](),
            Counter[str](),
            self._settings.slots - len(self._flying),
        )
        share = max(1, left // max(1, len(found)))
        for receiver in found:
            host = _host(receiver.url)
            room = self._room(receiver, hosts[host], owners[receiver.owner_id])
            room = max(0, min(room, share, left))
            rooms[receiver.webhook_id] = room
            hosts[host] += room
            owners[receiver.owner_id] += room
            left -= room
        return rooms

    def _room(self, receiver: Receiver, more_of_host: int = 0, more_of_owner: int = 0) -> int:
        host = _host(receiver.url)
        return min(
            self._settings.slots - len(self._flying),
            (1 if host in self._hung else PER_HOST) - self._of_host[host] - more_of_host,
            max(1, int(self._settings.slots * OWNERS_SHARE))
            - self._of_owner[receiver.owner_id]
            - more_of_owner,
        )

    # --- one delivery -----------------------------------------------------------------------------

    def _send(self, receiver: Receiver, claimed: Claimed) -> None:
        host = _host(receiver.url)
        self._of_host[host] += 1
        self._of_owner[receiver.owner_id] += 1
        task = asyncio.create_task(self._deliver(receiver, claimed), name="deliver")
        self._flying[task] = claimed

        def landed(_task: asyncio.Task[None]) -> None:
            del self._flying[task]
            for counter, key in ((self._of_host, host), (self._of_owner, receiver.owner_id)):
                counter[key] -= 1
                if not counter[key]:
                    del counter[key]
            self._wake.set()

        task.add_done_callback(landed)

    async def _deliver(self, receiver: Receiver, claimed: Claimed) -> None:
        this_is_about(
            webhook_id=receiver.webhook_id,
            source_id=claimed.emitter_id,
            event_id=str(claimed.event_id),
        )
        started = time.monotonic()
        answer, error = await self._attempt(receiver, claimed)
        self._remember(_host(receiver.url), hung=error == "timeout")
        attempt: dict[str, Any] = {"at_ms": claimed.now_ms}
        if answer is not None:
            attempt["status"] = answer.status
        if error is not None:
            attempt["error"] = error
        took = time.monotonic() - started
        attempt["duration_ms"] = int(took * 1000)
        tried = _outcome(receiver, claimed, answer, error, attempt)
        counting.attempted(tried.state, took)
        tracing.attempted(receiver, tried, took)
        self._done.append(tried)

    async def _attempt(
        self, receiver: Receiver, claimed: Claimed
    ) -> tuple[Answer | None, str | None]:
        """The answer, or else what was in the way."""
        if claimed.payload is None:
            return None, "event_gone"
        message = signing.Message(
            claimed.emitter_id,
            claimed.channel,
            claimed.event_id,
            claimed.replay if webhooks.is_new_message(claimed.replay) else "",
            claimed.payload,
        )
        try:
            keys = webhooks.keys(receiver.secret, claimed.now_ms)
            headers = signing.headers(message, keys, claimed.now_ms // 1000)
            answer = await self._client.post(receiver.url, headers, message.body)
        except Failed as failure:
            return None, failure.code
        except Undecipherable:
            return None, "secret_unreadable"
        except Exception:
            logger.exception("a delivery to %s failed in an unforeseen way", receiver.webhook_id)
            return None, "internal"
        return answer, "redirect" if 300 <= answer.status < 400 else None

    def _remember(self, host: str, *, hung: bool) -> None:
        if not hung:
            self._hung.pop(host, None)
            return
        self._hung[host] = None
        if len(self._hung) > REMEMBERED:
            del self._hung[next(iter(self._hung))]

    async def _record(self) -> None:
        if not self._done:
            return
        done, self._done = self._done, []
        try:
            async with self._line as connection:
                await deliveries.record(connection, done)
        except BaseException:
            self._done = [*done, *self._done]
            raise
        self._pending |= self._stalled
        self._stalled.clear()


def _outcome(
    receiver: Receiver,
    claimed: Claimed,
    answer: Answer | None,
    error: str | None,
    attempt: dict[str, Any],
) -> Tried:
    """What is to become of the delivery."""
    if answer is not None and 200 <= answer.status < 300:
        return Tried(claimed, receiver.url, "delivered", attempt)
    gone = answer is not None and answer.status == 410
    if gone or error == "event_gone":
        return Tried(claimed, receiver.url, "dead", attempt, gone=gone)
    asked = answer.retry_after if answer else None
    wait = retries.wait_after(claimed.attempts + 1, asked, datetime.now(UTC))
    if wait is None:
        return Tried(claimed, receiver.url, "dead", attempt)
    return Tried(claimed, receiver.url, "pending", attempt, wait)


def _host(url: str) -> str:
    """Whose turn it takes: the host and port that is called."""
    try:
        return Target(url).authority
    except BadUrl:
        # Saved under other rules: the attempt will say so.
        return url
