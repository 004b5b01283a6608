"""What a user starts or sends again leaves an entry: who, what of, which one (decision 0128)."""

from __future__ import annotations

from typing import Any

from django.db import connection

from apps.sources.models import Activity, Source
from tests.api.conftest import Api, body_of, make_source, store_event
from tests.api.hooks import make, make_delivery
from tests.api.test_replay import MS, subscribe
from tests.api.test_rerun import ended

Entry = tuple[str, str, str]


def entries() -> list[Entry]:
    """Kind, subject and actor of each, oldest first."""
    return list(Activity.objects.order_by("id").values_list("kind", "subject_id", "actor"))


def waiting(alice: Api, source: Source) -> list[str]:
    return [run["id"] for run in alice.json(f"/sources/{source.id}/runs")["data"]]


def test_run_now(alice: Api, source: Source) -> None:
    assert alice.call("POST", f"/sources/{source.id}/run", {"a": 1}).status_code == 202
    assert entries() == [("run_now", source.id, alice.user.id)]
    assert waiting(alice, source) == [str(Activity.objects.get().run_id)]


def test_rerun(alice: Api, source: Source) -> None:
    run = ended(source)
    for _ in range(2):
        assert alice.call("POST", f"/runs/{run}/rerun").status_code == 202
    assert entries() == [("rerun", source.id, alice.user.id)] * 2
    assert {activity.data["run"] for activity in Activity.objects.all()} == {run}
    made = {str(activity.run_id) for activity in Activity.objects.all()}
    assert made == set(waiting(alice, source)) - {run}


def test_replay(alice: Api, source: Source) -> None:
    for number in range(3):
        store_event(source.id, MS + number)
    listener = make_source(alice.user).id
    subscribe(alice, source.id, listener)
    asked = {"from": f"{MS + 1}-0", "listener_id": listener}
    answer = alice.call("POST", f"/sources/{source.id}/replay", asked)
    assert answer.status_code == 202
    assert entries() == [("replay", source.id, alice.user.id)]
    made = body_of(answer)["data"]["id"]
    told = {"replay": made, "events": 2, "listeners": 1}
    assert Activity.objects.get().data == told | {"start": f"{MS + 1}-0", "listener": listener}


def test_deliveries(alice: Api) -> None:
    hook = make(alice)["id"]
    dead = [make_delivery(hook, n, "dead") for n in range(30)]
    assert alice.call("POST", f"/webhooks/{hook}/replay", {"delivery_ids": dead}).status_code == 202
    make_delivery(hook, 99, "dead")
    assert alice.call("POST", f"/webhooks/{hook}/replay", {"state": "dead"}).status_code == 202
    assert entries() == [("redelivery", hook, alice.user.id)] * 2
    named, every = (activity.data for activity in Activity.objects.order_by("id"))
    assert named["deliveries"] == 30
    # However many were chosen, an entry is short.
    assert named["ids"] == [int(one) for one in dead[:20]]
    assert "ids" not in every
    with connection.cursor() as cursor:
        cursor.execute("SELECT replay, count(*) FROM delivery WHERE replay <> '' GROUP BY 1")
        sent = dict(cursor.fetchall())
    assert sent == {data["replay"]: data["deliveries"] for data in (named, every)}


def test_what_sets_nothing_going_leaves_none(alice: Api, bob: Api, source: Source) -> None:
    hook, run = make(alice)["id"], ended(source)
    calls: list[tuple[Api, str, Any]] = [
        (bob, f"/sources/{source.id}/run", {}),
        (bob, f"/runs/{run}/rerun", None),
        (bob, f"/sources/{source.id}/replay", None),
        (alice, f"/sources/{source.id}/replay", None),
        (alice, f"/webhooks/{hook}/replay", {"state": "dead"}),
        (alice, f"/webhooks/{hook}/replay", {"delivery_ids": ["1"]}),
        (alice, f"/runs/{ended(source, key='without', error=False)}/rerun", None),
    ]
    assert [caller.call("POST", path, body).status_code for caller, path, body in calls] == [
        404, 404, 404, 202, 202, 404, 409,
    ]  # fmt: skip
    assert entries() == []
