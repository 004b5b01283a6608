"""POST and DELETE /auto_subscriptions, GET /users/me/auto_subscriptions: REST spec. 7.5."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from apps.runs import lifecycle
from apps.runs.models import Operation
from apps.sources.models import Source
from apps.subscriptions.models import AutoSubscription
from tests.api.conftest import Api, assert_error, body_of, make_component, make_source
from tests.api.test_subscriptions import make_webhook

PROPS = {"url": "https://example.org/"}


def post(caller: Api, **parameters: str) -> Any:
    return caller.call("POST", f"/auto_subscriptions?{urlencode(parameters)}")


def end(caller: Api, **parameters: str) -> Any:
    return caller.call("DELETE", f"/auto_subscriptions?{urlencode(parameters)}")


def deploy(caller: Api, **fields: Any) -> Source:
    return lifecycle.create(
        caller.user, make_component(caller.user, **fields), name=None, configured_props=PROPS
    ).source


def listed(caller: Api) -> list[tuple[str, str, str]]:
    data = caller.json("/users/me/subscriptions")["data"]
    return [(item["emitter_id"], item["listener_id"], item["event_name"]) for item in data]


def test_22_answers_with_the_rule(alice: Api, source: Source) -> None:
    response = post(alice, event_name="$errors", listener_id=source.id)
    assert response.status_code == 200
    data = body_of(response)["data"]
    assert data.pop("id").startswith("asub_")
    assert data == {"listener_id": source.id, "event_name": "$errors"}
    assert post(alice, event_name="$errors", listener_id=source.id).content == response.content


def test_7_5_sources_made_afterwards_get_a_subscription(alice: Api, bob: Api) -> None:
    before, listener, webhook = (
        make_source(alice.user),
        make_source(alice.user),
        make_webhook(alice),
    )
    post(alice, event_name="$errors", listener_id=listener.id)
    post(alice, event_name="found", listener_id=webhook.id)
    assert listed(alice) == []
    made, anothers = deploy(alice), deploy(bob)
    assert sorted(listed(alice)) == sorted(
        [(made.id, listener.id, "$errors"), (made.id, webhook.id, "found")]
    )
    assert listed(bob) == []
    assert before.id != made.id != anothers.id


def test_7_5_what_deploy_and_activate_emit_has_its_listener_already(
    alice: Api, source: Source
) -> None:
    """F16: the subscription stands before the hooks run; nothing of it is kept when they fail."""
    post(alice, event_name="found", listener_id=source.id)
    made = deploy(alice, hooks=["deploy"])
    assert made.state == "creating"
    assert listed(alice) == [(made.id, source.id, "found")]
    operation = Operation.objects.get(source_id=made.id)
    assert lifecycle.withdraw(operation.id)
    assert listed(alice) == []


def test_7_5_deleting_the_rule_leaves_what_it_made(alice: Api, source: Source) -> None:
    post(alice, event_name="$errors", listener_id=source.id)
    made = deploy(alice)
    response = end(alice, event_name="$errors", listener_id=source.id)
    assert response.status_code == 204
    assert listed(alice) == [(made.id, source.id, "$errors")]
    deploy(alice)
    assert len(listed(alice)) == 1
    assert_error(end(alice, event_name="$errors", listener_id=source.id), 404)


def test_7_5_deleting_the_listener_deletes_both(alice: Api, source: Source) -> None:
    post(alice, event_name="$errors", listener_id=source.id)
    deploy(alice)
    lifecycle.delete(source, alice.user.id)
    assert listed(alice) == []
    assert alice.json("/users/me/auto_subscriptions")["data"] == []
    assert AutoSubscription.objects.count() == 1


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_7_5_an_empty_event_name_is_400_with_a_hint(
    alice: Api, source: Source, method: str
) -> None:
    response = alice.call(method, f"/auto_subscriptions?event_name=&listener_id={source.id}")
    error = assert_error(response, 400, parameter="event_name")
    assert "single quotes" in error["error"]
    response = alice.call(method, f"/auto_subscriptions?listener_id={source.id}")
    assert_error(response, 400, parameter="event_name")


@pytest.mark.parametrize("name", ["$", "$error", "a" * 65])
def test_7_5_other_event_names_are_400(alice: Api, source: Source, name: str) -> None:
    response = post(alice, event_name=name, listener_id=source.id)
    assert_error(response, 400, parameter="event_name")


@pytest.mark.parametrize("listener", ["dc_*", "sc_000000", "x"])
def test_7_5_a_listener_of_the_wrong_kind_is_400(alice: Api, listener: str) -> None:
    assert_error(post(alice, event_name="a", listener_id=listener), 400, parameter="listener_id")
    assert_error(post(alice, event_name="a", listener_id=""), 400, parameter="listener_id")


def test_4_unknown_and_foreign_listeners_are_404(alice: Api, bob: Api, source: Source) -> None:
    unknown = post(bob, event_name="a", listener_id="dc_000000")
    for listener in (source.id, make_webhook(alice).id, "p_2gCPml", "wh_000000"):
        response = post(bob, event_name="a", listener_id=listener)
        assert_error(response, 404, code="not_found")
        assert response.content == unknown.content
    post(alice, event_name="a", listener_id=source.id)
    assert_error(end(bob, event_name="a", listener_id=source.id), 404)


def test_23_rules_are_listed_in_pages(alice: Api, bob: Api, source: Source) -> None:
    for number in range(12):
        post(alice, event_name=f"e{number}", listener_id=source.id)
    page = alice.json("/users/me/auto_subscriptions")
    assert page["page_info"]["total_count"] == 12
    assert [item["event_name"] for item in page["data"]] == [f"e{n}" for n in range(11, 1, -1)]
    cursor = page["page_info"]["end_cursor"]
    rest = alice.json(f"/users/me/auto_subscriptions?after={cursor}")
    assert [item["event_name"] for item in rest["data"]] == ["e1", "e0"]
    assert bob.json("/users/me/auto_subscriptions")["data"] == []
