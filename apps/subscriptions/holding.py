"""Pausing the deliveries of a restored copy: the original makes them too."""

from __future__ import annotations

from psycopg import AsyncConnection

from apps.core.clock import AppNow
from apps.subscriptions import carry
from apps.subscriptions.models import Webhook

GROUP = 50


async def carry_all(dsn: str, cap: int) -> int:
    """Hand on every event that is due, while its listeners are still active: it waits in their
    mailboxes then. Returns how many were handed on. Nothing else may run on the database."""
    connection = await AsyncConnection.connect(dsn, autocommit=True)
    done, last = 0, -1
    async with connection:
        await connection.execute(carry.SESSION)
        while done > last:
            last = done
            at_once, timed = await carry.due(connection, "", GROUP)
            waiting = list(dict.fromkeys([*at_once, *timed]))
            while waiting:
                carried = await carry.carry(connection, waiting[:GROUP], cap)
                waiting = [*carried.more, *waiting[GROUP:]] if carried.done else waiting[GROUP:]
                done += carried.done
    return done


def pause_webhooks() -> int:
    """What is pending waits until its webhook is set active again. Returns how many were paused."""
    return Webhook.objects.filter(active=True, deleted_at=None).update(
        active=False, updated_at=AppNow()
    )
