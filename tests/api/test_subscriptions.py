"""POST and DELETE /subscriptions, GET /users/me/subscriptions: REST specification 7.1 to 7.4."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from apps.runs import lifecycle
from apps.sources.models import Source
from apps.subscriptions import services
from apps.subscriptions.models import Subscription, Webhook
from tests.api.conftest import Api, assert_error, body_of, make_component, make_source


@pytest.fixture
def pair(alice: Api) -> tuple[str, str]:
    """Emitter and listener."""
    return make_source(alice.user).id, make_source(alice.user).id


def make_webhook(caller: Api) -> Webhook:
    return Webhook.objects.create(owner=caller.user, url="https://example.org/", secret="whsec_x")


def post(caller: Api, **parameters: str) -> Any:
    return caller.call("POST", f"/subscriptions?{urlencode(parameters)}")


def end(caller: Api, **parameters: str) -> Any:
    return caller.call("DELETE", f"/subscriptions?{urlencode(parameters)}")


def test_20_answers_with_the_subscription(alice: Api, pair: tuple[str, str]) -> None:
    emitter, listener = pair
    response = post(alice, emitter_id=emitter, listener_id=listener)
    assert response.status_code == 200
    data = body_of(response)["data"]
    assert data.pop("id").startswith("sub_")
    assert data == {"emitter_id": emitter, "listener_id": listener, "event_name": ""}


def test_o3_json_content_type_and_no_body(alice: Api, pair: tuple[str, str]) -> None:
    query = urlencode({"emitter_id": pair[0], "listener_id": pair[1]})
    response = alice._client.generic(
        "POST",
        f"/v1/subscriptions?{query}",
        b"",
        content_type="application/json",
        headers={"authorization": f"Bearer {alice.key}"},
    )
    assert response.status_code == 200


def test_1_parameters_in_the_body_and_the_query_wins(alice: Api, pair: tuple[str, str]) -> None:
    emitter, listener = pair
    body = {"emitter_id": emitter, "listener_id": "dc_000000", "event_name": "mine"}
    response = alice.call("POST", f"/subscriptions?listener_id={listener}", body)
    assert response.status_code == 200
    assert body_of(response)["data"]["listener_id"] == listener
    assert body_of(response)["data"]["event_name"] == "mine"


def test_7_1_same_triple_again_is_the_existing_one(alice: Api, pair: tuple[str, str]) -> None:
    emitter, listener = pair
    first, second = (post(alice, emitter_id=emitter, listener_id=listener) for _ in range(2))
    assert second.status_code == 200
    assert first.content == second.content
    other = post(alice, emitter_id=emitter, listener_id=listener, event_name="$errors")
    assert body_of(other)["data"]["id"] != body_of(first)["data"]["id"]
    assert Subscription.objects.count() == 2


def test_7_1_a_source_may_listen_to_itself(alice: Api, pair: tuple[str, str]) -> None:
    assert (
        post(alice, emitter_id=pair[0], listener_id=pair[0], event_name="self").status_code == 200
    )


def test_7_1_webhooks_and_inactive_sources_may_listen(alice: Api, pair: tuple[str, str]) -> None:
    webhook = make_webhook(alice)
    assert post(alice, emitter_id=pair[0], listener_id=webhook.id).status_code == 200
    Source.objects.filter(id__in=pair).update(state="inactive")
    assert post(alice, emitter_id=pair[0], listener_id=pair[1]).status_code == 200


@pytest.mark.parametrize("glob", ["dc_*", "p_*"])
def test_7_1_globs(alice: Api, pair: tuple[str, str], glob: str) -> None:
    response = post(alice, emitter_id=glob, listener_id=pair[1], event_name="$errors")
    assert body_of(response)["data"]["emitter_id"] == glob


@pytest.mark.parametrize("emitter", ["*", "dc_5*", "wh_*", "sc_*", "dc_**", "**"])
def test_7_1_other_globs_are_400(alice: Api, pair: tuple[str, str], emitter: str) -> None:
    response = post(alice, emitter_id=emitter, listener_id=pair[1])
    assert_error(response, 400, code="invalid_parameter", parameter="emitter_id")


@pytest.mark.parametrize("emitter", ["sc_000000", "wh_000000", "u_000000", "000000", "DC_000000"])
def test_o16_an_emitter_of_the_wrong_kind_is_400(
    alice: Api, pair: tuple[str, str], emitter: str
) -> None:
    response = post(alice, emitter_id=emitter, listener_id=pair[1])
    assert_error(response, 400, parameter="emitter_id")


def test_o16_a_component_of_ones_own_is_no_emitter(alice: Api, pair: tuple[str, str]) -> None:
    component = make_component(alice.user)
    response = post(alice, emitter_id=component.id, listener_id=pair[1])
    assert_error(response, 400, parameter="emitter_id")


@pytest.mark.parametrize("listener", ["dc_*", "p_*", "sc_000000", "u_000000", "000000"])
def test_7_1_a_listener_of_the_wrong_kind_is_400(
    alice: Api, pair: tuple[str, str], listener: str
) -> None:
    response = post(alice, emitter_id=pair[0], listener_id=listener)
    assert_error(response, 400, parameter="listener_id")


@pytest.mark.parametrize(
    ("emitter", "listener"),
    [("p_2gCPml", None), (None, "p_2gCPml"), ("dc_000000", None), (None, "dc_000000"),
     (None, "wh_000000"), ("dc_" + "0" * 500, None)],
)  # fmt: skip
def test_7_1_unknown_ids_and_workflows_are_404(
    alice: Api, pair: tuple[str, str], emitter: str | None, listener: str | None
) -> None:
    response = post(alice, emitter_id=emitter or pair[0], listener_id=listener or pair[1])
    assert_error(response, 404, code="not_found")


@pytest.mark.parametrize("parameter", ["emitter_id", "listener_id", "event_name"])
def test_7_1_nul_is_400(alice: Api, pair: tuple[str, str], parameter: str) -> None:
    parties = {"emitter_id": pair[0], "listener_id": pair[1], parameter: "dc_\x00"}
    assert_error(post(alice, **parties), 400, parameter=parameter)


@pytest.mark.parametrize("missing", ["emitter_id", "listener_id"])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_7_1_both_parties_are_required(
    alice: Api, pair: tuple[str, str], missing: str, method: str
) -> None:
    parameters = {"emitter_id": pair[0], "listener_id": pair[1], missing: ""}
    response = alice.call(method, f"/subscriptions?{urlencode(parameters)}")
    assert_error(response, 400, parameter=missing)


@pytest.mark.parametrize("name", ["", "a", "ü" * 64, "$errors", "$logs", "with space", "a$b"])
def test_7_1_channels(alice: Api, pair: tuple[str, str], name: str) -> None:
    response = post(alice, emitter_id=pair[0], listener_id=pair[1], event_name=name)
    assert body_of(response)["data"]["event_name"] == name


@pytest.mark.parametrize("name", ["$", "$error", "$Errors", "a" * 65, "a\nb"])
def test_7_1_other_channels_are_400(alice: Api, pair: tuple[str, str], name: str) -> None:
    response = post(alice, emitter_id=pair[0], listener_id=pair[1], event_name=name)
    assert_error(response, 400, parameter="event_name")


def test_7_1_an_event_name_that_is_no_text_is_400(alice: Api, pair: tuple[str, str]) -> None:
    body = {"emitter_id": pair[0], "listener_id": pair[1], "event_name": 7}
    assert_error(alice.call("POST", "/subscriptions", body), 400, parameter="event_name")


def test_4_foreign_ids_are_404_like_unknown_ones(alice: Api, bob: Api) -> None:
    theirs, mine = make_source(alice.user).id, make_source(bob.user).id
    webhook = make_webhook(alice).id
    unknown = post(bob, emitter_id="dc_000000", listener_id=mine)
    for parties in (
        {"emitter_id": theirs, "listener_id": mine},
        {"emitter_id": mine, "listener_id": theirs},
        {"emitter_id": mine, "listener_id": webhook},
    ):
        response = post(bob, **parties)
        assert_error(response, 404, code="not_found")
        assert response.content == unknown.content
    assert Subscription.objects.count() == 0


@pytest.mark.parametrize("state", ["creating", "failed", "deleted"])
def test_f16_what_is_not_there_is_404(alice: Api, pair: tuple[str, str], state: str) -> None:
    hidden = make_source(alice.user, state=state).id
    assert_error(post(alice, emitter_id=hidden, listener_id=pair[1]), 404)
    assert_error(post(alice, emitter_id=pair[0], listener_id=hidden), 404)


def test_7_3_delete(alice: Api, pair: tuple[str, str]) -> None:
    parties = {"emitter_id": pair[0], "listener_id": pair[1]}
    post(alice, **parties)
    post(alice, **parties, event_name="$logs")
    assert_error(end(alice, **parties, event_name="other"), 404)
    response = end(alice, **parties, event_name="")
    assert response.status_code == 204
    assert response.content == b""
    assert_error(end(alice, **parties), 404, code="not_found")
    assert end(alice, **parties, event_name="$logs").status_code == 204
    assert alice.json("/users/me/subscriptions")["data"] == []
    assert post(alice, **parties).status_code == 200


def test_7_3_a_glob_is_matched_literally(alice: Api, pair: tuple[str, str]) -> None:
    post(alice, emitter_id="dc_*", listener_id=pair[1])
    assert_error(end(alice, emitter_id=pair[0], listener_id=pair[1]), 404)
    assert end(alice, emitter_id="dc_*", listener_id=pair[1]).status_code == 204


def test_7_3_anothers_subscription_is_404(alice: Api, bob: Api, pair: tuple[str, str]) -> None:
    post(alice, emitter_id=pair[0], listener_id=pair[1])
    assert_error(end(bob, emitter_id=pair[0], listener_id=pair[1]), 404, code="not_found")
    assert len(alice.json("/users/me/subscriptions")["data"]) == 1


def test_7_4_without_paging_everything_is_listed(alice: Api, bob: Api) -> None:
    listener = make_source(alice.user).id
    made = [
        body_of(post(alice, emitter_id="dc_*", listener_id=listener, event_name=f"e{i}"))["data"]
        for i in range(12)
    ]
    body = alice.json("/users/me/subscriptions")
    assert body["data"] == made[::-1]
    assert body["page_info"]["total_count"] == body["page_info"]["count"] == 12
    assert bob.json("/users/me/subscriptions")["data"] == []


def test_7_4_with_paging_in_pages_also_over_deleted_ones(alice: Api) -> None:
    listener = make_source(alice.user).id
    made = [
        body_of(post(alice, emitter_id="dc_*", listener_id=listener, event_name=f"e{i}"))["data"]
        for i in range(5)
    ][::-1]
    first = alice.json("/users/me/subscriptions?limit=2")
    assert first["data"] == made[:2]
    assert first["page_info"]["total_count"] == 5
    end(alice, emitter_id="dc_*", listener_id=listener, event_name=made[1]["event_name"])
    second = alice.json(f"/users/me/subscriptions?after={first['page_info']['end_cursor']}")
    assert second["data"] == made[2:]
    names = alice.json("/users/me/subscriptions?limit=1&include=event_name")
    assert names["data"] == [{"event_name": "e4"}]


def test_5_5_a_deleted_source_takes_its_subscriptions_with_it(
    alice: Api, pair: tuple[str, str]
) -> None:
    emitter, listener = pair
    third = make_source(alice.user).id
    post(alice, emitter_id=emitter, listener_id=listener)
    post(alice, emitter_id=listener, listener_id=emitter)
    post(alice, emitter_id="dc_*", listener_id=emitter)
    kept = body_of(post(alice, emitter_id=listener, listener_id=third))["data"]
    lifecycle.delete(Source.objects.get(id=emitter), alice.user.id)
    assert alice.json("/users/me/subscriptions")["data"] == [kept]


def test_8_a_deleted_webhook_takes_its_subscriptions_with_it(
    alice: Api, pair: tuple[str, str]
) -> None:
    webhook = make_webhook(alice)
    post(alice, emitter_id=pair[0], listener_id=webhook.id)
    services.add_rule(alice.user, webhook.id, "$errors")
    services.forget_webhook(webhook.id)
    assert alice.json("/users/me/subscriptions")["data"] == []
    assert alice.json("/users/me/auto_subscriptions")["data"] == []
