"""Every place in which the platform keeps encrypted values, in the order of being turned over.

Operations come first: what one of them carries goes into the row of its source.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction

from apps.accounts import sealed as accounts
from apps.core.rotation import Store, Turn
from apps.runs import sealed as runs
from apps.sources import sealed as sources
from apps.subscriptions import sealed as subscriptions

_ANSWERS = """
SELECT scope, key, body FROM idempotency
WHERE body IS NOT NULL AND (scope, key) > (%(scope)s, %(key)s)
ORDER BY scope, key LIMIT %(size)s FOR NO KEY UPDATE
"""
_KEEP = "UPDATE idempotency SET body = %(body)s WHERE scope = %(scope)s AND key = %(key)s"


def _answers(after: tuple[str, bytes] | None, size: int, turn: Turn) -> Any:
    """Answers that are kept for their `Idempotency-Key` (`apps.api.idempotency`)."""
    scope, key = after or ("", b"")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_ANSWERS, {"scope": scope, "key": key, "size": size})
        rows = cursor.fetchall()
        for scope, key, body in rows:
            old = bytes(body).decode()
            new = turn.token(old)
            if new != old:
                cursor.execute(_KEEP, {"scope": scope, "key": key, "body": new.encode()})
    return (rows[-1][0], bytes(rows[-1][1])) if rows else None


STORES = [
    *runs.STORES,
    *accounts.STORES,
    *sources.STORES,
    *subscriptions.STORES,
    Store("answers", _answers),
]
