"""What the original document leaves open or contradicts, settled (REST specification 10): each
oddity that no other file names, and the rules of transport that hold everywhere."""

from __future__ import annotations

from typing import Any

import pytest

from apps.api.urls import ROUTES
from apps.sources.models import Source
from tests.api.conftest import Api, assert_error, body_of, make_component, make_source, store_event

MS = 1589486981597
SEED_SOURCE = {
    "id", "user_id", "component_id", "configured_props", "active", "created_at", "updated_at",
    "name", "name_slug",
}  # fmt: skip


def test_t1_nothing_answers_without_v1(alice: Api) -> None:
    assert alice.get("/users/me").status_code == 200
    for base in ("/users/me", "/v2/users/me"):
        response = alice._client.get(base, headers={"authorization": f"Bearer {alice.key}"})
        assert response.status_code == 404


@pytest.mark.parametrize("route", [route for route, _ in ROUTES])
def test_t2_every_route_asks_for_a_key_before_anything_else(nobody: Api, route: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        response = nobody.call(method, "/" + route, b"no JSON")
        assert_error(response, 401, code="unauthorized")


def test_t11_o21_resources_in_seconds_events_in_milliseconds(alice: Api, source: Source) -> None:
    store_event(source.id, MS)
    shown = alice.json(f"/sources/{source.id}")["data"]
    assert shown["created_at"] == int(source.created_at.timestamp())
    [event] = alice.json(f"/sources/{source.id}/event_summaries")["data"]
    assert event["indexed_at_ms"] == MS


def test_q6_o23_deleting_a_thing_is_204_and_deleting_events_202(alice: Api, source: Source) -> None:
    Source.objects.filter(id=source.id).update(state="inactive")
    events = alice.call("DELETE", f"/sources/{source.id}/events")
    assert (events.status_code, events.content) == (202, b"")
    gone = alice.call("DELETE", f"/sources/{source.id}")
    assert (gone.status_code, gone.content) == (204, b"")


def test_o1_the_headings_have_a_slash_and_the_examples_none(alice: Api, source: Source) -> None:
    assert alice.json("/users/me/sources/") == alice.json("/users/me/sources")
    assert_error(alice.call("POST", "/sources/", {}), 400, parameter="component_id")


def test_o4_an_update_needs_no_component_and_keeps_name_and_state(
    alice: Api, source: Source
) -> None:
    before = alice.json(f"/sources/{source.id}")["data"]
    changed = alice.call("PUT", f"/sources/{source.id}", {})
    assert changed.status_code == 200
    assert body_of(changed)["data"] == before


def test_o5_api_key_and_admin_are_there(alice: Api) -> None:
    assert {"api_key", "admin"} <= set(alice.json("/users/me")["data"])


def test_o6_o7_props_are_taken_and_the_id_wins(alice: Api) -> None:
    component = make_component(alice.user, props=[{"name": "url", "type": "string"}])
    body = {
        "component_id": component.id,
        "component_code": "not even code",
        "component_url": "https://example.org/component.js",
        "configured_props": {"url": "https://example.org/feed"},
    }
    made = alice.call("POST", "/sources", body)
    assert made.status_code == 200, made.content
    data = body_of(made)["data"]
    assert data["component_id"] == component.id
    assert data["configured_props"] == body["configured_props"]


def test_o8_o10_o11_the_list_is_paged_whole_objects_and_a_total(alice: Api) -> None:
    component = make_component(alice.user)
    for _ in range(4):
        make_source(alice.user, component)
    first = alice.json("/users/me/sources?limit=1")["page_info"]["end_cursor"]
    page = alice.json(f"/users/me/sources?limit=2&after={first}")
    assert (page["page_info"]["total_count"], page["page_info"]["count"]) == (4, 2)
    assert all(set(item) >= SEED_SOURCE for item in page["data"])


def test_o14_exclude_leaves_out(alice: Api, source: Source) -> None:
    [item] = alice.json("/users/me/sources?exclude=name,active")["data"]
    assert set(item) & {"name", "active"} == set()
    assert "id" in item


def test_o18_ten_events_by_default_and_a_hundred_at_most(alice: Api, source: Source) -> None:
    for n in range(101):
        store_event(source.id, MS, n)
    path = f"/sources/{source.id}/event_summaries"
    assert alice.json(path)["page_info"]["count"] == 10
    page = alice.json(f"{path}?limit=100")["page_info"]
    assert (page["count"], page["total_count"]) == (100, 100)
    assert_error(alice.get(f"{path}?limit=101"), 400, parameter="limit")


def test_o19_the_form_of_an_event(alice: Api, source: Source) -> None:
    event_id = store_event(source.id, MS)
    [event] = alice.json(f"/sources/{source.id}/event_summaries")["data"]
    metadata = event.pop("metadata")
    assert event == {"id": event_id, "indexed_at_ms": MS, "event": {"a": 1}}
    assert (metadata["name"], metadata["emitter_id"]) == ("", source.id)
    assert len(metadata["emit_id"]) == 27


def test_o20_common_parameters_work_with_put_in_both_places(alice: Api, source: Source) -> None:
    path = f"/sources/{source.id}"
    in_query = alice.call("PUT", f"{path}?include=name", {"name": "new name"})
    assert body_of(in_query)["data"] == {"name": "new name"}
    in_body = alice.call("PUT", path, {"name": "newer", "include": "name"})
    assert body_of(in_body)["data"] == {"name": "newer"}


@pytest.mark.parametrize(("size", "cut"), [(1024, False), (1025, True)])
def test_o22_a_payload_is_cut_above_1024_bytes(
    alice: Api, source: Source, size: int, cut: bool
) -> None:
    payload = b'"' + b"x" * (size - 2) + b'"'
    store_event(source.id, MS, payload=payload)
    [event] = alice.json(f"/sources/{source.id}/event_summaries")["data"]
    assert event.get("event_truncated", False) is cut
    assert event.get("event_size") == (size if cut else None)


def test_2_ids_have_a_prefix_and_six_characters(alice: Api, source: Source) -> None:
    ids: dict[str, Any] = {
        "u": alice.user.id,
        "dc": source.id,
        "sc": source.component_id,
    }
    for prefix, public_id in ids.items():
        assert public_id.startswith(f"{prefix}_")
        rest = public_id.removeprefix(f"{prefix}_")
        assert len(rest) >= 6
        assert rest.isalnum()


def test_g10_what_is_wrong_is_named_and_is_4xx(alice: Api, source: Source) -> None:
    for method, path, body, parameter in (
        ("GET", "/users/me/sources?limit=x", None, "limit"),
        ("GET", "/users/me/sources?after=~", None, "after"),
        ("PUT", f"/sources/{source.id}", {"active": "yes"}, "active"),
        ("PUT", f"/sources/{source.id}", {"name": " "}, "name"),
        ("DELETE", f"/sources/{source.id}/events?start_id=x", None, "start_id"),
        ("POST", "/subscriptions", {}, "emitter_id"),
        ("POST", "/webhooks", {"url": "ftp://example.org"}, "url"),
    ):
        assert_error(alice.call(method, path, body), 400, parameter=parameter)
