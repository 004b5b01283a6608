"""Two users walk over every route of urls.py: what is another's does not exist (REST spec. 4)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts import connected
from apps.accounts.models import ApiKey
from apps.api.urls import ALIASES, ROUTES
from apps.runs.mailbox import run_id
from apps.sources.models import Source
from apps.subscriptions.models import Webhook
from tests.api.conftest import Api, assert_error, body_of, make_component, make_source, store_event

MS = 1589486981597
BY_ID = [route for route, _ in ROUTES if "{" in route and "registry" not in route]
BY_ID.remove("connect/{app}")  # names a service, nobody's own
METHODS = ["GET", "PUT", "POST", "DELETE"]
ONLY_POSTED = ("run", "replay", "rerun", "rotate_secret", "options", "{key_id}", "{event_name}")


@pytest.fixture
def owned(alice: Api) -> dict[str, str]:
    """Ids of what alice owns, by the name of the route's parameter."""
    component = make_component(alice.user, key="alices-key")
    source = make_source(alice.user, component)
    store_event(source.id, MS)
    store_event(source.id, MS, 1, channel="$errors")
    webhook = Webhook.objects.create(owner=alice.user, url="https://example.org/", secret="x")
    now = datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mailbox (source_id, cause, key, cause_at, due_at, queued_at, payload)"
            " VALUES (%s, 'manual', 'k', %s, %s, %s, '{}')",
            [source.id, now, now, now],
        )
    return {
        "source_id": source.id,
        "key_or_id": component.id,
        "run_id": str(run_id(source.id, "manual", "k")),
        "webhook_id": webhook.id,
        "account_id": connected.create(alice.user, "github", "work", {"api_key": "k"}).id,
        "prop": "url",
        "app": "zoom",
        "event_name": "meeting.started",
        "key_id": ApiKey.objects.get(user=alice.user).public_id,
    }


UNKNOWN = {
    "source_id": "dc_000000",
    "key_or_id": "sc_000000",
    "run_id": "00000000-0000-5000-8000-000000000000",
    "webhook_id": "wh_000000",
    "account_id": "apn_000000",
    "prop": "url",
    "app": "zoom",
    "event_name": "meeting.started",
    "key_id": "key_000000",
}


def _rows(owned: dict[str, str]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT state, name, (SELECT count(*) FROM event WHERE deleted_at IS NULL),"
            " (SELECT count(*) FROM mailbox), (SELECT count(*) FROM operation)"
            " FROM sources_source WHERE id = %s",
            [owned["source_id"]],
        )
        return list(cursor.fetchall())


@pytest.mark.parametrize("route", BY_ID)
@pytest.mark.parametrize("method", METHODS)
def test_4_foreign_id_in_a_path_is_404_like_an_unknown_one(
    bob: Api, owned: dict[str, str], route: str, method: str
) -> None:
    before = _rows(owned)
    body = {"name": "stolen", "active": False} if method == "PUT" else None
    with CaptureQueriesContext(connection) as queries:
        foreign = bob.call(method, "/" + route.format(**owned), body)
    work = len(queries)
    with CaptureQueriesContext(connection) as queries:
        unknown = bob.call(method, "/" + route.format(**UNKNOWN), body)
    assert foreign.status_code == unknown.status_code
    assert foreign.status_code in (404, 405)
    assert foreign.content == unknown.content
    # The first call also noted when the key was used.
    assert work - len(queries) in (0, 1)
    assert _rows(owned) == before


@pytest.mark.parametrize("route", BY_ID)
def test_the_owner_reads_every_one_of_them(alice: Api, owned: dict[str, str], route: str) -> None:
    """Else the walk above proved nothing."""
    response = alice.get("/" + route.format(**owned))
    only_posted = route.rpartition("/")[2] in ONLY_POSTED
    assert response.status_code == (405 if only_posted else 200)


def test_every_parameter_of_a_path_is_in_the_walk(owned: dict[str, str]) -> None:
    """A route with a new kind of id fails here until both dictionaries know it."""
    routes = " ".join(route for route, _ in [*ROUTES, *ALIASES])
    names = set(re.findall(r"\{(\w+)\}", routes)) - {"key"}
    assert names == set(owned) == set(UNKNOWN)


@pytest.mark.parametrize("route", [route for route, _ in ALIASES])
@pytest.mark.parametrize("base", ["/", "/v1/"])
def test_4_foreign_id_at_the_other_addresses_of_streams_is_404(
    bob: Api, owned: dict[str, str], route: str, base: str
) -> None:
    header = {"authorization": f"Bearer {bob.key}"}
    response: Any = Client().get(base + route.format(**owned), headers=header)
    assert_error(response, 404, code="not_found")


@pytest.mark.parametrize(
    ("method", "path", "parameter", "kind"),
    [
        ("POST", "/subscriptions?emitter_id={}&listener_id=MINE", "", "source_id"),
        ("POST", "/subscriptions?emitter_id=MINE&listener_id={}", "", "source_id"),
        ("POST", "/subscriptions?emitter_id=MINE&listener_id={}", "", "webhook_id"),
        ("DELETE", "/subscriptions?emitter_id={}&listener_id=MINE", "", "source_id"),
        ("POST", "/auto_subscriptions?event_name=$errors&listener_id={}", "", "source_id"),
        ("DELETE", "/auto_subscriptions?event_name=$errors&listener_id={}", "", "webhook_id"),
        ("POST", "/sources/MINE/replay", "listener_id", "source_id"),
        ("POST", "/components/dry_run", "component_id", "key_or_id"),
        ("POST", "/connect/github", "account_id", "account_id"),
    ],
)
def test_4_foreign_id_as_any_parameter_is_answered_like_an_unknown_one(
    bob: Api, owned: dict[str, str], method: str, path: str, parameter: str, kind: str
) -> None:
    mine = make_source(bob.user)

    def answer(public_id: str) -> HttpResponse:
        body = {parameter: public_id} if parameter else None
        return bob.call(method, path.format(public_id).replace("MINE", mine.id), body)

    foreign, unknown = answer(owned[kind]), answer(UNKNOWN[kind])
    assert foreign.status_code == unknown.status_code
    assert foreign.status_code in (400, 404)
    assert foreign.content == unknown.content


def test_4_foreign_key_of_a_component_is_404(bob: Api, owned: dict[str, str]) -> None:
    assert_error(bob.get("/components/alices-key"), 404, code="not_found")


def test_4_foreign_id_as_a_parameter_is_400_like_an_unknown_one(
    bob: Api, owned: dict[str, str]
) -> None:
    foreign = bob.call("POST", "/sources", {"component_id": owned["key_or_id"]})
    unknown = bob.call("POST", "/sources", {"component_id": UNKNOWN["key_or_id"]})
    assert_error(foreign, 400, parameter="component_id")
    assert foreign.content == unknown.content
    mine = make_source(bob.user)
    response = bob.call("PUT", f"/sources/{mine.id}", {"component_id": owned["key_or_id"]})
    assert response.content == foreign.content


def test_4_the_parties_of_a_subscription_are_404_like_unknown_ones(
    alice: Api, bob: Api, owned: dict[str, str]
) -> None:
    """DELETE too, and the rules; tests/api/test_subscriptions.py has the single parameters."""
    theirs, unknown = owned["source_id"], UNKNOWN["source_id"]
    query = "emitter_id={0}&listener_id={0}"
    alice.call("POST", f"/subscriptions?{query.format(theirs)}")
    alice.call("POST", f"/auto_subscriptions?listener_id={theirs}&event_name=a")
    for method in ("POST", "DELETE"):
        for path in (f"/subscriptions?{query}", "/auto_subscriptions?listener_id={0}&event_name=a"):
            foreign = bob.call(method, path.format(theirs))
            assert_error(foreign, 404, code="not_found")
            assert foreign.content == bob.call(method, path.format(unknown)).content
    assert len(alice.json("/users/me/subscriptions")["data"]) == 1
    assert len(alice.json("/users/me/auto_subscriptions")["data"]) == 1


def test_4_lists_show_what_is_ones_own(alice: Api, bob: Api, owned: dict[str, str]) -> None:
    for path in ("/users/me/sources", "/users/me/components", "/accounts", "/users/me/accounts"):
        assert bob.json(path)["page_info"]["total_count"] == 0
        assert alice.json(path)["page_info"]["total_count"] == 1


def test_4_admin_has_no_extra_rights(bob: Api, owned: dict[str, str]) -> None:
    bob.user.is_superuser = True
    bob.user.save()
    assert bob.json("/users/me")["data"]["admin"] is True
    assert_error(bob.get(f"/sources/{owned['source_id']}"), 404)


@pytest.mark.parametrize("public_id", ["sc_000000", "u_000000", "000000", "dc", "dc_", "DC_000000"])
def test_4_id_of_the_wrong_kind_in_a_path_is_404(alice: Api, public_id: str) -> None:
    assert_error(alice.get(f"/sources/{public_id}"), 404, code="not_found")


def test_4_component_id_is_no_source_id(alice: Api, owned: dict[str, str]) -> None:
    assert_error(alice.get(f"/sources/{owned['key_or_id']}"), 404)
    assert_error(alice.get(f"/components/{owned['source_id']}"), 404)


@pytest.mark.parametrize("state", ["creating", "failed", "deleted"])
def test_f16_what_is_being_created_has_failed_or_is_gone_is_not_there(
    alice: Api, owned: dict[str, str], state: str
) -> None:
    Source.objects.filter(id=owned["source_id"]).update(state=state)
    for route in BY_ID:
        if "source_id" in route or "run_id" in route:
            response = alice.call("GET", "/" + route.format(**owned))
            assert response.status_code in (404, 405)
    assert body_of(alice.get("/users/me/sources"))["data"] == []
