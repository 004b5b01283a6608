"""Webhooks and deliveries to look at through the API."""

from __future__ import annotations

from typing import Any

import orjson
from django.db import connection

from tests.api.conftest import Api, body_of, store_event

URL = "https://example.com/hook?a=1"
MS = 1589486981597


def make(api: Api, url: str = URL, **fields: Any) -> dict[str, Any]:
    response = api.call("POST", "/webhooks", {"url": url, **fields})
    assert response.status_code == 200, response.content
    data: dict[str, Any] = body_of(response)["data"]
    return data


def make_delivery(hook: str, n: int, state: str = "dead", attempts: Any = ()) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO delivery (webhook_id, owner_id, emitter_id, channel, ms, n, state,"
            " attempts, history, next_attempt_at, created_at)"
            " SELECT id, owner_id, 'dc_emitter', '', %s, %s, %s, %s, %s, app_now(), app_now()"
            " FROM subscriptions_webhook WHERE id = %s RETURNING id",
            [MS, n, state, len(attempts), orjson.dumps(list(attempts)), hook],
        )
        row = cursor.fetchone()
    assert row is not None
    if not _stored(n):
        store_event("dc_emitter", MS, n)
    return str(row[0])


def _stored(n: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM event WHERE ms = %s AND n = %s", [MS, n])
        return cursor.fetchone() is not None


def rows(hook: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n, state, replay <> '' FROM delivery WHERE webhook_id = %s ORDER BY id", [hook]
        )
        return list(cursor.fetchall())
