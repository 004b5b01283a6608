"""Pages of resources: REST specification 3."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.components.models import Component
from apps.sources.models import Source
from tests.api.conftest import Api, assert_error, make_component, make_source


@pytest.fixture
def five(alice: Api) -> list[str]:
    """Ids of five sources, newest first."""
    component = make_component(alice.user)
    return [make_source(alice.user, component).id for _ in range(5)][::-1]


def _cursor(public_id: str) -> str:
    return base64.b64encode(public_id.encode()).decode().rstrip("=")


def _ids(alice: Api, query: str) -> list[str]:
    return [item["id"] for item in alice.json(f"/users/me/sources?{query}")["data"]]


def test_3_newest_first_with_page_info(alice: Api, five: list[str]) -> None:
    body = alice.json("/users/me/sources?limit=2")
    assert [item["id"] for item in body["data"]] == five[:2]
    assert body["page_info"] == {
        "total_count": 5,
        "count": 2,
        "start_cursor": _cursor(five[0]),
        "end_cursor": _cursor(five[1]),
    }


def test_3_after_before_and_both(alice: Api, five: list[str]) -> None:
    c = [_cursor(one) for one in five]
    assert _ids(alice, f"after={c[1]}&limit=2") == five[2:4]
    assert _ids(alice, f"before={c[4]}&limit=2") == five[2:4]
    assert _ids(alice, f"before={c[1]}") == five[:1]
    assert _ids(alice, f"after={c[0]}&before={c[4]}&limit=2") == five[1:3]
    assert _ids(alice, f"after={c[3]}&before={c[1]}") == []
    assert _ids(alice, f"after={c[4]}") == []


def test_3_empty_page_has_no_cursors(alice: Api) -> None:
    assert alice.json("/users/me/sources")["page_info"] == {
        "total_count": 0,
        "count": 0,
        "start_cursor": None,
        "end_cursor": None,
    }


def test_3_walk_visits_each_once_also_among_equal_times(alice: Api, five: list[str]) -> None:
    Source.objects.filter(owner=alice.user).update(created_at=datetime(2026, 1, 1, tzinfo=UTC))
    seen: list[str] = []
    query = "limit=2"
    while True:
        body = alice.json(f"/users/me/sources?{query}")
        seen += [item["id"] for item in body["data"]]
        if body["page_info"]["count"] < 2:
            break
        query = f"limit=2&after={body['page_info']['end_cursor']}"
    assert sorted(seen) == sorted(five)


def test_3_cursor_of_a_deleted_item_still_works(alice: Api, five: list[str]) -> None:
    Source.objects.filter(id=five[1]).update(state=Source.State.DELETED)
    assert _ids(alice, f"after={_cursor(five[1])}") == five[2:]
    assert alice.json("/users/me/sources")["page_info"]["total_count"] == 4


def test_3_cursor_takes_padding_and_both_alphabets(alice: Api, five: list[str]) -> None:
    padded = base64.b64encode(five[1].encode()).decode()
    assert _ids(alice, f"after={padded}") == five[2:]


def test_3_cursor_of_another_owner_or_kind_is_400(alice: Api, bob: Api, five: list[str]) -> None:
    foreign = make_source(bob.user).id
    component = Component.objects.filter(owner=alice.user).first()
    assert component is not None
    for public_id in (foreign, component.id, "dc_000000"):
        response = alice.get(f"/users/me/sources?after={_cursor(public_id)}")
        assert assert_error(response, 400, parameter="after")["error"] == (
            "after is an invalid cursor"
        )
    assert_error(alice.get(f"/users/me/components?before={_cursor(five[0])}"), 400)


def test_3_default_limit_is_10_and_most_is_100(alice: Api) -> None:
    component = make_component(alice.user)
    for _ in range(12):
        make_source(alice.user, component)
    assert len(_ids(alice, "")) == 10
    assert len(_ids(alice, "limit=100")) == 12


def test_a_page_takes_no_query_per_item(alice: Api, five: list[str]) -> None:
    with CaptureQueriesContext(connection) as queries:
        alice.get("/users/me/sources?limit=1")
    one = len(queries)
    with CaptureQueriesContext(connection) as queries:
        alice.get("/users/me/sources?limit=5")
    # The first call also noted when the key was used.
    assert len(queries) <= one
