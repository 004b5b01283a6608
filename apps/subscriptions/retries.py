"""When a delivery is tried again, and when no more (DESIGN section 7, webhook retries). Pure.

Ten attempts in about three days: at once, then 5 s, 1 min, 5 min, 30 min, 2 h, 5 h, 10 h, 22 h and
32 h after the one before. Each wait is lengthened by up to a fifth, so that what failed together
does not come back together.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

WAITS = (5, 60, 300, 1_800, 7_200, 18_000, 36_000, 79_200, 115_200)
ATTEMPTS = len(WAITS) + 1
JITTER = 0.2


def wait_after(attempt: int, retry_after: str | None, now: datetime) -> float | None:
    """Seconds until the next attempt after `attempt` failed ones; None: there is no next.

    `Retry-After` is honoured: the wait is never shorter than it asks, but for the longest wait of
    the schedule, so that a receiver cannot keep a delivery for ever.
    """
    if attempt >= ATTEMPTS:
        return None
    wait = WAITS[attempt - 1] * (1 + random.random() * JITTER)
    return max(wait, min(asked_wait(retry_after, now), WAITS[-1]))


def asked_wait(retry_after: str | None, now: datetime) -> float:
    """Seconds that a `Retry-After` asks for: whole seconds or a date; 0 for none or nonsense."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return 0.0
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())
