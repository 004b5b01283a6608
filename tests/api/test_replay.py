"""POST /sources/{id}/replay: REST specification, index 29."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from apps.core.ids import new_id
from apps.subscriptions import replay
from apps.subscriptions.models import Subscription, Webhook
from tests.api.conftest import Api, assert_error, body_of, make_source, store_event

MS = 1589486981597


def subscribe(caller: Api, emitter: str, listener: str, event_name: str = "") -> None:
    Subscription.objects.create(
        owner=caller.user, emitter_id=emitter, listener_id=listener, event_name=event_name
    )


@pytest.fixture
def pair(alice: Api) -> tuple[str, str]:
    """An emitter with three events on its default channel, one on another and one error, and its
    listener, who came after them."""
    emitter, listener = make_source(alice.user).id, make_source(alice.user).id
    for number in range(3):
        store_event(emitter, MS + number)
    store_event(emitter, MS + 3, channel="other")
    store_event(emitter, MS + 4, channel="$errors")
    subscribe(alice, emitter, listener)
    return emitter, listener


def post(caller: Api, source_id: str, body: Any = None) -> Any:
    return caller.call("POST", f"/sources/{source_id}/replay", body)


def put() -> list[tuple[str, int, str, str | None]]:
    """What is on the list of the fan-out: channel, number, replay, listener; in its order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT channel, ms, replay, listener_id FROM fanout_due ORDER BY due_at, ms, n"
        )
        return [(r[0], r[1] - MS, r[2], r[3]) for r in cursor.fetchall()]


def test_29_puts_the_events_on_their_way_again(alice: Api, pair: tuple[str, str]) -> None:
    response = post(alice, pair[0])
    assert response.status_code == 202
    data = body_of(response)["data"]
    assert data["id"].startswith("rp_")
    assert (data["events"], data["listeners"]) == (3, 1)
    assert put() == [("", number, data["id"], None) for number in range(3)]


def test_29_every_replay_has_an_id_of_its_own(alice: Api, pair: tuple[str, str]) -> None:
    ids = {body_of(post(alice, pair[0]))["data"]["id"] for _ in range(3)}
    assert len(ids) == 3
    assert len(put()) == 9


@pytest.mark.parametrize(
    ("bounds", "numbers"),
    [
        ({"from": f"{MS + 1}-0"}, [1, 2]),
        ({"to": f"{MS + 1}-0"}, [0, 1]),
        ({"from": f"{MS + 1}-0", "to": f"{MS + 1}-0"}, [1]),
        ({"from": str(MS + 1), "to": str(MS + 1)}, [1]),
        ({"from": f"{MS + 1}-1"}, [2]),
        ({"from": f"{MS + 2}-0", "to": f"{MS}-0"}, []),
    ],
)
def test_29_the_range_is_closed(
    alice: Api, pair: tuple[str, str], bounds: dict[str, str], numbers: list[int]
) -> None:
    data = body_of(post(alice, pair[0], bounds))["data"]
    assert data["events"] == len(numbers)
    assert [number for _, number, _, _ in put()] == numbers


@pytest.mark.parametrize("bound", ["from", "to"])
@pytest.mark.parametrize("value", ["x", "1-2-3", "-1", "1e3"])
def test_29_a_malformed_id_is_400(
    alice: Api, pair: tuple[str, str], bound: str, value: str
) -> None:
    assert_error(post(alice, pair[0], {bound: value}), 400, parameter=bound)


def test_29_only_channels_somebody_listens_to(alice: Api, pair: tuple[str, str]) -> None:
    emitter, listener = pair
    assert body_of(post(alice, emitter, {"event_name": "other"}))["data"]["events"] == 0
    subscribe(alice, "dc_*", listener, "other")
    assert body_of(post(alice, emitter, {"event_name": "other"}))["data"]["events"] == 1
    assert body_of(post(alice, emitter))["data"]["events"] == 4


def test_29_errors_and_logs_only_when_named(alice: Api, pair: tuple[str, str]) -> None:
    emitter, listener = pair
    subscribe(alice, emitter, listener, "$errors")
    assert body_of(post(alice, emitter))["data"]["events"] == 3
    data = body_of(post(alice, emitter, {"event_name": "$errors"}))["data"]
    assert (data["events"], data["listeners"]) == (1, 1)


def test_29_for_one_listener_alone(alice: Api, pair: tuple[str, str]) -> None:
    emitter = pair[0]
    webhook = Webhook.objects.create(owner=alice.user, url="https://example.org/", secret="x")
    subscribe(alice, emitter, webhook.id)
    assert body_of(post(alice, emitter))["data"]["listeners"] == 2
    data = body_of(post(alice, emitter, {"listener_id": webhook.id}))["data"]
    assert (data["events"], data["listeners"]) == (3, 1)
    assert {row[3] for row in put() if row[2] == data["id"]} == {webhook.id}
    other = make_source(alice.user).id
    data = body_of(post(alice, emitter, {"listener_id": other}))["data"]
    assert (data["events"], data["listeners"]) == (0, 0)


def test_29_a_listener_that_is_not_active_gets_nothing(alice: Api, pair: tuple[str, str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE sources_source SET state = 'inactive' WHERE id = %s", [pair[1]])
    data = body_of(post(alice, pair[0]))["data"]
    assert (data["events"], data["listeners"]) == (0, 0)


def test_29_what_is_hidden_or_not_due_or_only_stored_stays(
    alice: Api, pair: tuple[str, str]
) -> None:
    emitter = pair[0]
    store_event(emitter, MS + 5, due_in_s=60)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE event SET deleted_at = app_now() WHERE ms = %s", [MS])
        cursor.execute("UPDATE event SET hops = -1 WHERE ms = %s", [MS + 1])
    assert body_of(post(alice, emitter))["data"]["events"] == 1
    assert [number for _, number, _, _ in put()] == [2]


def test_29_more_than_ten_thousand_events_are_400(alice: Api, pair: tuple[str, str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO event (source_id, channel, ms, n, run_id, payload, meta, stored_at)"
            " SELECT %s, '', %s, i, gen_random_uuid(), '1', '{}', app_now()"
            " FROM generate_series(1, %s) AS i",
            [pair[0], MS + 10, replay.EVENTS - 3],
        )
    assert body_of(post(alice, pair[0]))["data"]["events"] == replay.EVENTS
    store_event(pair[0], MS + 11)
    before = len(put())
    error = assert_error(post(alice, pair[0]), 400, parameter="from")
    assert "10000" in error["error"]
    assert len(put()) == before


@pytest.mark.parametrize("listener", ["sc_000000", "dc_*", "x"])
def test_29_a_listener_of_the_wrong_kind_is_400(
    alice: Api, pair: tuple[str, str], listener: str
) -> None:
    response = post(alice, pair[0], {"listener_id": listener})
    assert_error(response, 400, parameter="listener_id")


def test_4_unknown_and_foreign_ids_are_404(alice: Api, bob: Api, pair: tuple[str, str]) -> None:
    assert_error(post(bob, pair[0]), 404, code="not_found")
    mine = make_source(bob.user).id
    for listener in (pair[1], new_id("dc"), new_id("wh"), "p_2gCPml"):
        assert_error(post(bob, mine, {"listener_id": listener}), 404, code="not_found")
    assert put() == []


def test_3_include(alice: Api, pair: tuple[str, str]) -> None:
    response = alice.call("POST", f"/sources/{pair[0]}/replay?include=events")
    assert body_of(response) == {"data": {"events": 3}}
