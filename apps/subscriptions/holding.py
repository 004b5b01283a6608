"""Deliveries of a database that was restored: free at once, or paused, since the original makes
them too (`apps.runs.restoring` is the same for runs)."""

from __future__ import annotations

from django.db import connection as database
from psycopg import AsyncConnection

from apps.core.clock import AppNow
from apps.subscriptions import carry
from apps.subscriptions.models import Webhook

GROUP = 50

# Claimed by workers of the original: else each waits until its lease has run out.
_FREE = """
UPDATE delivery SET token = 0, until = 'epoch' WHERE state = 'pending' AND token <> 0
"""


def let_go() -> int:
    """Free what was being delivered when the backup was taken. Returns how many there were."""
    with database.cursor() as cursor:
        cursor.execute(_FREE)
        freed: int = cursor.rowcount
    return freed


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
