"""Statements of step 5 whose cost must not hang on what is pending beside their own rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from apps.runs import lease
from apps.subscriptions import deliveries
from tests.making import World
from tests.services.delivering import due, emitted, webhook

MANY = """
INSERT INTO delivery (webhook_id, owner_id, emitter_id, channel, ms, n, state, next_attempt_at,
                      created_at)
SELECT webhook_id, owner_id, emitter_id, '', ms + %s, i, %s, app_now(), app_now()
FROM delivery, generate_series(1, 3000) AS i WHERE n = 0
"""
VALUES = {
    "ids": [1, 2, 3], "tokens": [1, 1, 1], "states": ["delivered"] * 3, "attempts": [1] * 3,
    "histories": [b"[]"] * 3, "waits": [0.0] * 3,
}  # fmt: skip


@pytest.fixture
def surprised(world: World) -> Iterator[psycopg.Connection[Any]]:
    """A worker's connection; the statistics are of a time when all was delivered, and now much is
    pending."""
    hook = webhook(world, "http://127.0.0.1:9/")
    due(world, hook, emitted(world, hook), [1])
    world.sql(MANY, 1, "delivered")
    world.sql("UPDATE delivery SET state = 'delivered'")
    world.sql("ANALYZE delivery")
    world.sql(MANY, 2, "pending")
    with psycopg.connect(world.dsn, autocommit=True) as connection:
        connection.execute(lease.SESSION)
        yield connection


@pytest.mark.parametrize("statement", [deliveries._RECORD, deliveries._RELEASE])
def test_what_ended_is_found_by_its_key(surprised: psycopg.Connection[Any], statement: str) -> None:
    rows = surprised.execute(f"EXPLAIN {statement}", VALUES).fetchall()
    plan = "\n".join(row[0] for row in rows)
    assert "using delivery_pkey" in plan, plan
    assert plan.count(" on delivery d") == 2, plan
