"""`POST /v1/apphooks/{app}/{event_name}` (component specification 5.3, stage 2)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from django.db import connection

from apps.accounts import connected
from apps.sources.models import Source
from tests.api.conftest import Api, assert_error, body_of, make_component, make_source

pytestmark = pytest.mark.django_db(transaction=True)

APP = {"name": "zoom", "type": "app", "app": "zoom"}
HOOK = {"name": "hook", "type": "$.interface.apphook", "appProp": "zoom"}
EVENT = {"event": "meeting.started", "payload": {"object": {"id": 1}}}


@pytest.fixture
def admin(bob: Api) -> Api:
    bob.user.is_superuser = True
    bob.user.save()
    return bob


def asking(owner: Api, hook: dict[str, Any], account: str | None = None, **state: Any) -> Source:
    component = make_component(owner.user, props=[{**HOOK, **hook}, APP])
    source = make_source(owner.user, component)
    if account is not None:
        source.configured_props = {"zoom": {"authProvisionId": account}}
        source.save()
    if state:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE component_state SET store = %s WHERE source_id = %s",
                [orjson.dumps(state["store"]), source.id],
            )
    return source


def post(caller: Api, app: str = "zoom", query: str = "", body: Any = EVENT) -> set[str]:
    response = caller.call("POST", f"/apphooks/{app}/meeting.started{query}", body)
    assert response.status_code == 202, response.content
    return set(body_of(response)["data"]["sources"])


def queued(source: Source) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT payload FROM mailbox WHERE source_id = %s", [source.id])
        return [orjson.loads(bytes(payload)) for (payload,) in cursor.fetchall()]


def test_it_reaches_those_who_ask_for_the_event(alice: Api, admin: Api) -> None:
    named = asking(alice, {"eventNames": ["meeting.ended", "meeting.started"]})
    every = asking(admin, {})
    settled = asking(
        alice, {"remoteEventNames": True}, store={"$apphook": {"hook": ["meeting.started"]}}
    )
    others = [
        asking(alice, {"eventNames": ["meeting.ended"]}),
        asking(alice, {"eventNames": []}),
        asking(alice, {"remoteEventNames": True}, store={"$apphook": {"hook": ["meeting.ended"]}}),
        asking(alice, {"remoteEventNames": True}, store={"$apphook": "what code wrote"}),
        asking(alice, {"remoteEventNames": True}),
        make_source(alice.user, make_component(alice.user, props=[APP])),
    ]
    inactive = asking(alice, {})
    Source.objects.filter(id=inactive.id).update(state="inactive")
    assert post(admin) == {named.id, every.id, settled.id}
    for source in (named, every, settled):
        assert queued(source) == [EVENT]
    assert [queued(source) for source in (*others, inactive)] == [[]] * 7
    assert post(admin, app="zoom_admin") == set()


def test_an_account_narrows_it(alice: Api, admin: Api) -> None:
    account = connected.create(alice.user, "zoom", "work", {"api_key": "k"})
    source = asking(alice, {}, account=account.id)
    asking(alice, {})
    assert post(admin, query=f"?account_id={account.id}") == {source.id}
    assert post(admin, query="?account_id=apn_000000") == set()


def test_any_json_is_the_event_and_none_is_an_empty_one(alice: Api, admin: Api) -> None:
    source = asking(alice, {})
    assert post(admin, body=None) == {source.id}
    assert queued(source) == [{}]


def test_users_who_are_no_administrators_find_no_such_route(alice: Api) -> None:
    asking(alice, {})
    assert_error(alice.call("POST", "/apphooks/zoom/meeting.started", EVENT), 404, code="not_found")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("zo%20om/meeting.started", "app"),
        ("-/meeting.started", "app"),
        (f"{'z' * 65}/meeting.started", "app"),
        (f"zoom/{'m' * 201}", "event_name"),
    ],
)
def test_what_is_no_app_or_no_event_is_refused(admin: Api, path: str, field: str) -> None:
    assert_error(admin.call("POST", f"/apphooks/{path}", EVENT), 400, parameter=field)


def test_the_longest_names_are_taken(admin: Api) -> None:
    answer = admin.call("POST", f"/apphooks/{'z' * 64}/{'m' * 200}", EVENT)
    assert answer.status_code == 202
