"""Reading components: REST specification 5.2. Creating them is in test_creation.py."""

from __future__ import annotations

from datetime import timedelta

from apps.components.models import Component
from tests.api.conftest import CODE, PROPS, Api, assert_error, make_component


def test_5_2_fields_and_their_order(alice: Api) -> None:
    component = make_component(alice.user)
    data = alice.json(f"/components/{component.id}")["data"]
    assert list(data)[:8] == [
        "id",
        "code",
        "code_hash",
        "name",
        "version",
        "configurable_props",
        "created_at",
        "updated_at",
    ]
    assert data["id"] == component.id
    assert data["code"] == CODE
    assert data["configurable_props"] == PROPS
    assert data["created_at"] == int(component.created_at.timestamp())
    assert data["key"] == "feed"
    assert data["type"] == "source"
    assert data["language"] == "javascript"


def test_5_2_by_key_the_newest_of_several(alice: Api) -> None:
    old, new = make_component(alice.user), make_component(alice.user)
    Component.objects.filter(id=old.id).update(updated_at=new.updated_at - timedelta(seconds=9))
    assert alice.json("/components/feed")["data"]["id"] == new.id


def test_5_2_key_of_another_user_is_404(alice: Api, bob: Api) -> None:
    make_component(bob.user)
    assert_error(alice.get("/components/feed"), 404)


def test_5_2_registry_is_readable_by_everybody(alice: Api, bob: Api) -> None:
    published = make_component(None, key="app-feed", origin="builtin")
    for caller in (alice, bob):
        assert caller.json("/components/registry/app-feed")["data"]["id"] == published.id
        assert caller.json(f"/components/{published.id}")["data"]["origin"] == "builtin"


def test_5_2_registry_knows_no_private_components(alice: Api) -> None:
    make_component(alice.user)
    assert_error(alice.get("/components/registry/feed"), 404)
    assert_error(alice.get("/components/registry/nope"), 404)


def test_5_2_reserved_words_are_no_keys(alice: Api) -> None:
    make_component(alice.user, key="registry")
    make_component(alice.user, key="search")
    assert_error(alice.get("/components/registry"), 404)
    assert_error(alice.get("/components/search"), 400, parameter="query")


def test_own_list_has_no_code_and_no_registry(alice: Api, bob: Api) -> None:
    mine = make_component(alice.user)
    make_component(bob.user)
    make_component(None)
    body = alice.json("/users/me/components")
    assert [item["id"] for item in body["data"]] == [mine.id]
    assert "code" not in body["data"][0]
    assert body["data"][0]["code_hash"] == mine.code_hash
