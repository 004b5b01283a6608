"""`/webhooks/{id}/deliveries` and `/webhooks/{id}/replay` (REST specification, index 32 and 33)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from tests.api.conftest import Api, assert_error
from tests.api.hooks import MS, make, make_delivery, rows

# --- deliveries -----------------------------------------------------------------------------------


def test_32_deliveries_with_their_attempts(alice: Api) -> None:
    hook = make(alice)["id"]
    attempt = {"at_ms": MS, "status": 500, "duration_ms": 12}
    dead = make_delivery(hook, 0, "dead", [attempt] * 10)
    waiting = make_delivery(hook, 1, "pending")
    page = alice.json(f"/webhooks/{hook}/deliveries")
    assert [item["id"] for item in page["data"]] == [waiting, dead]
    assert page["data"][0]["next_attempt_at_ms"] > MS
    assert page["data"][1] == {
        "id": dead,
        "event_id": f"{MS}-0",
        "emitter_id": "dc_emitter",
        "state": "dead",
        "attempts": [attempt] * 10,
        "next_attempt_at_ms": None,
    }


def test_32_state_and_pages(alice: Api) -> None:
    hook = make(alice)["id"]
    made = [make_delivery(hook, n, "dead" if n % 2 else "delivered") for n in range(6)]
    dead = alice.json(f"/webhooks/{hook}/deliveries?state=dead&limit=2")
    assert [item["id"] for item in dead["data"]] == [made[5], made[3]]
    assert dead["page_info"]["total_count"] == 3
    end = dead["page_info"]["end_cursor"]
    rest = alice.json(f"/webhooks/{hook}/deliveries?state=dead&after={end}")
    assert [item["id"] for item in rest["data"]] == [made[1]]
    back = alice.json(f"/webhooks/{hook}/deliveries?before={end}&limit=1")
    assert [item["id"] for item in back["data"]] == [made[4]]
    between = alice.json(
        f"/webhooks/{hook}/deliveries?after={dead['page_info']['start_cursor']}&before={end}"
    )
    assert [item["id"] for item in between["data"]] == [made[4]]


@pytest.mark.parametrize(
    "query",
    ["state=gone", "state=DEAD", "limit=0", "limit=101", "after=x", "before=MQ", "after=MDE"],
)
def test_32_bad_input(alice: Api, query: str) -> None:
    hook = make(alice)["id"]
    response = alice.get(f"/webhooks/{hook}/deliveries?{query}")
    assert_error(response, 400, parameter=query.partition("=")[0])


def test_32_a_cursor_of_another_webhook_is_invalid(alice: Api) -> None:
    mine, other = make(alice)["id"], make(alice)["id"]
    make_delivery(other, 0)
    cursor = alice.json(f"/webhooks/{other}/deliveries")["page_info"]["end_cursor"]
    assert_error(alice.get(f"/webhooks/{mine}/deliveries?after={cursor}"), 400, parameter="after")


# --- replay ---------------------------------------------------------------------------------------


def replay(api: Api, hook: str, body: Any) -> Any:
    return api.call("POST", f"/webhooks/{hook}/replay", body)


def test_33_dead_ones_are_sent_again_as_new_rows_once(alice: Api) -> None:
    hook = make(alice)["id"]
    for n, state in enumerate(("dead", "delivered", "pending", "dead")):
        make_delivery(hook, n, state)
    response = replay(alice, hook, {"state": "dead"})
    assert (response.status_code, response.content) == (202, b"")
    made = rows(hook)
    assert made[:4] == [
        (n, s, False) for n, s in enumerate(("dead", "delivered", "pending", "dead"))
    ]
    assert sorted(made[4:]) == [(0, "pending", True), (3, "pending", True)]
    assert replay(alice, hook, {"state": "dead"}).status_code == 202
    assert len(rows(hook)) == 6


def test_33_by_id_also_what_was_delivered(alice: Api) -> None:
    hook = make(alice)["id"]
    ids = [make_delivery(hook, 0, "dead"), make_delivery(hook, 1, "delivered")]
    assert replay(alice, hook, {"delivery_ids": [*ids, ids[0]]}).status_code == 202
    assert sorted(rows(hook)[2:]) == [(0, "pending", True), (1, "pending", True)]
    query = f"/webhooks/{hook}/replay?delivery_ids={','.join(ids)}"
    assert alice.call("POST", query).status_code == 202
    assert len(rows(hook)) == 6


def test_33_a_deleted_event_is_not_sent_again(alice: Api) -> None:
    hook = make(alice)["id"]
    make_delivery(hook, 0)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE event SET deleted_at = app_now()")
    assert replay(alice, hook, {"state": "dead"}).status_code == 202
    assert len(rows(hook)) == 1


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({}, "delivery_ids"),
        ({"state": "dead", "delivery_ids": ["1"]}, "delivery_ids"),
        ({"state": "pending"}, "state"),
        ({"delivery_ids": []}, "delivery_ids"),
        ({"delivery_ids": "1"}, "delivery_ids"),
        ({"delivery_ids": [1]}, "delivery_ids"),
        ({"delivery_ids": ["x"]}, "delivery_ids"),
        ({"delivery_ids": ["9" * 30]}, "delivery_ids"),
        ({"delivery_ids": ["1"] * 10_001}, "delivery_ids"),
    ],
)
def test_33_bad_input(alice: Api, body: Any, parameter: str) -> None:
    hook = make(alice)["id"]
    assert_error(replay(alice, hook, body), 400, parameter=parameter)


def test_33_ids_of_another_webhook_are_not_there(alice: Api, bob: Api) -> None:
    mine, others = make(alice)["id"], make(bob)["id"]
    own, foreign = make_delivery(mine, 0), make_delivery(others, 1)
    response = replay(alice, mine, {"delivery_ids": [own, foreign]})
    assert_error(response, 404)
    assert response.content == replay(alice, mine, {"delivery_ids": ["999999999"]}).content
    assert len(rows(mine)) == 1
    assert len(rows(others)) == 1


def test_33_what_is_pending_is_a_conflict(alice: Api) -> None:
    hook = make(alice)["id"]
    assert_error(replay(alice, hook, {"delivery_ids": [make_delivery(hook, 0, "pending")]}), 409)
    assert len(rows(hook)) == 1
