"""Many rows that look like those of a busy platform: to see and to measure the panel with.

Not the way of a source: rows are written here, in SQL and by the million, as the services would
leave them (docs/decisions/0105-seeding.md). Nothing that is seeded starts to run: see `SOURCES` and
`LISTENERS` in `apps.panel.seeding_sql`.
"""

from __future__ import annotations

import math
import secrets as random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from apps.core import secrets
from apps.core.clock import app_now
from apps.panel import seeding_sql
from apps.runs import partitions
from apps.sources.models import Source

DAY_MS = 86_400_000
_IDS = 62**6
# An event's id has the millisecond of its run: each has one of its own.
MOST = 100_000_000
_TABLES = """
accounts_user, accounts_apikey, accounts_account, accounts_usageday, components_component,
sources_source, sources_sourcechange, sources_activity, sources_timer, sources_skippedslots, actor,
component_state, suppressed, run, http_response, event, delivery, subscriptions_webhook,
subscriptions_subscription, subscriptions_autosubscription, mailbox, operation
"""


class Refused(Exception):
    """The database is not one to seed."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many rows of each kind. Components and webhooks are spread evenly over the users, so
    that their numbers are rounded up; of subscriptions, deliveries and `waiting` runs a few less
    may come to be."""

    sources: int = 100_000
    events: int = 1_000_000
    runs: int = 1_000_000
    users: int = 20
    components: int = 500
    webhooks: int = 1_000
    deliveries: int = 200_000
    subscriptions: int = 50_000
    waiting: int = 2_000

    def rounded(self) -> Sizes:
        """Raises ValueError for what cannot be."""
        values = asdict(self)
        for name, value in values.items():
            if not 0 <= value <= MOST:
                raise ValueError(f"{name} must be 0 to {MOST}")
        users = max(1, self.users)

        def spread(count: int) -> int:
            return max(1, math.ceil(count / users)) * users

        return replace(
            self,
            users=users,
            components=spread(self.components),
            webhooks=spread(self.webhooks),
        )


def check(owner: str) -> None:
    """Raises Refused when sources of others are there: seeding is for a database of its own."""
    seeded = Q(owner__username=owner) | Q(owner__username__startswith=f"{owner}-")
    other = Source.objects.exclude(seeded).first()
    if other is not None:
        raise Refused(f"there are sources of others, such as {other.id} of {other.owner_id}")


def seed(owner: str, sizes: Sizes, say: Callable[[str], None] = lambda _line: None) -> None:
    """Write the rows, all or none, and bring the planner's statistics up to date.

    `owner` is the user name of the first user, `<owner>-1` … are the others; those that are there
    are taken. History reaches back as far as it is kept. Raises ValueError as `rounded` does.
    """
    sizes = sizes.rounded()
    run_days = settings.RUN_RETENTION_DAYS
    partitions.prepare(keep_days=run_days, back_days=run_days)
    recent = min(sizes.runs, sizes.events // 2)
    names = asdict(sizes) | {
        "owner": owner,
        "start": Source.objects.count(),
        "salt": random.randbelow(_IDS),
        "now_ms": int(app_now().timestamp() * 1000),
        "run_ms": run_days * DAY_MS,
        "event_ms": max(settings.EVENT_RETENTION_DAYS, run_days + 1) * DAY_MS,
        # Events that belong to a run that is seeded too.
        "recent": recent,
        # Of one event to several webhooks; about six in ten events are on the default channel.
        "rounds": max(1, math.ceil(sizes.deliveries / max(1, recent // 2))),
        "secret": secrets.encrypt("seeded"),
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(seeding_sql.IDS)
        for name, statements in seeding_sql.STEPS.items():
            began = time.monotonic()
            cursor.execute(statements, names)
            say(f"{name}: {time.monotonic() - began:.1f} s")
    began = time.monotonic()
    with connection.cursor() as cursor:
        # Within a test's transaction nothing can be vacuumed.
        vacuum = "" if connection.in_atomic_block else "VACUUM "
        cursor.execute(f"{vacuum}ANALYZE {_TABLES}")
    say(f"statistics: {time.monotonic() - began:.1f} s")
