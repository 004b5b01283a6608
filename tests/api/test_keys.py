"""/users/me/keys: REST specification T3, T4, index row 35."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.accounts import keys
from apps.accounts.models import ApiKey
from apps.api import keys as views
from tests.api.conftest import Api, assert_error, body_of

NAMES = {"id", "prefix", "name", "scopes", "created_at", "last_used_at", "expires_at"}


def create(caller: Api, **body: Any) -> dict[str, Any]:
    response = caller.call("POST", "/users/me/keys", body)
    assert response.status_code == 200, response.content
    data: dict[str, Any] = body_of(response)["data"]
    return data


def listed(caller: Api) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = caller.json("/users/me/keys")["data"]
    return data


def seconds_from_now(seconds: int) -> int:
    return int(datetime.now(UTC).timestamp()) + seconds


def test_35_the_key_is_shown_once_and_works(alice: Api) -> None:
    made = create(alice, name="of the laptop")
    assert set(made) == NAMES | {"key"}
    assert made["id"].startswith("key_")
    assert keys.well_formed(made["key"])
    assert made["key"].startswith(made["prefix"])
    assert len(made["prefix"]) < len(made["key"]) / 3
    assert Api(alice.user, made["key"]).get("/users/me").status_code == 200
    response = alice.get("/users/me/keys")
    assert made["key"].encode() not in response.content
    assert made["key"].encode() not in bytes(ApiKey.objects.get(public_id=made["id"]).sha256)


def test_35_the_list_newest_first(alice: Api) -> None:
    second = create(alice, name="second", expires_at=seconds_from_now(3600))
    first = listed(alice)[1]
    assert [key["name"] for key in listed(alice)] == ["second", "test"]
    assert listed(alice)[0] == {name: second[name] for name in NAMES}
    assert first["last_used_at"] >= first["created_at"]
    assert first["expires_at"] is None
    assert second["last_used_at"] is None
    assert second["scopes"] == ["*"]


def test_35_name_may_be_left_out(alice: Api) -> None:
    assert create(alice)["name"] == ""


def test_t4_deleted_is_revoked_at_once(alice: Api) -> None:
    made = create(alice)
    other = Api(alice.user, made["key"])
    assert other.get("/users/me").status_code == 200
    response = alice.call("DELETE", f"/users/me/keys/{made['id']}")
    assert response.status_code == 204
    assert response.content == b""
    assert_error(other.get("/users/me"), 401, code="unauthorized")
    assert [key["name"] for key in listed(alice)] == ["test"]
    assert alice.get("/users/me").status_code == 200
    assert_error(alice.call("DELETE", f"/users/me/keys/{made['id']}"), 404)


def test_t4_a_key_may_delete_itself(alice: Api) -> None:
    [own] = listed(alice)
    assert alice.call("DELETE", f"/users/me/keys/{own['id']}").status_code == 204
    assert_error(alice.get("/users/me"), 401)


def test_35_an_expired_key_is_401_and_stays_listed(alice: Api) -> None:
    made = create(alice, expires_at=seconds_from_now(3600))
    other = Api(alice.user, made["key"])
    assert other.get("/users/me").status_code == 200
    ApiKey.objects.filter(public_id=made["id"]).update(
        expires_at=datetime.now(UTC) - timedelta(seconds=1)
    )
    assert_error(other.get("/users/me"), 401, code="unauthorized")
    assert made["id"] in [key["id"] for key in listed(alice)]
    assert alice.call("DELETE", f"/users/me/keys/{made['id']}").status_code == 204


def test_4_another_users_key_is_404_like_an_unknown_one(alice: Api, bob: Api) -> None:
    [key] = listed(alice)
    foreign = bob.call("DELETE", f"/users/me/keys/{key['id']}")
    assert_error(foreign, 404)
    assert foreign.content == bob.call("DELETE", "/users/me/keys/key_000000").content
    assert alice.get("/users/me").status_code == 200
    assert len(listed(bob)) == 1


def test_include_and_exclude(alice: Api) -> None:
    response = alice.call("POST", "/users/me/keys?include=id,key", {})
    assert set(body_of(response)["data"]) == {"id", "key"}
    assert list(alice.json("/users/me/keys?include=name")["data"][0]) == ["name"]


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"name": 1}, "name"),
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "x" * 10_240}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"expires_at": "2030-01-01"}, "expires_at"),
        ({"expires_at": 1}, "expires_at"),
        ({"expires_at": 0}, "expires_at"),
        ({"expires_at": -1}, "expires_at"),
        ({"expires_at": 1e12}, "expires_at"),
        ({"expires_at": 10**15}, "expires_at"),
        ({"expires_at": True}, "expires_at"),
    ],
)
def test_bad_input_names_the_parameter(alice: Api, body: Any, parameter: str) -> None:
    assert_error(alice.call("POST", "/users/me/keys", body), 400, parameter=parameter)
    assert len(listed(alice)) == 1


@pytest.mark.parametrize("key_id", ["key", "1", "%00", "~", "key_%00", "dc_000000"])
def test_strange_ids_are_404(alice: Api, key_id: str) -> None:
    assert_error(alice.call("DELETE", f"/users/me/keys/{key_id}"), 404)


def test_a_user_has_a_bounded_number_of_keys(alice: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "MOST", 2)
    made = create(alice)
    assert_error(alice.call("POST", "/users/me/keys", {}), 409, code="too_many_keys")
    alice.call("DELETE", f"/users/me/keys/{made['id']}")
    create(alice)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_t3_no_key_no_keys(nobody: Api, method: str) -> None:
    assert_error(nobody.call(method, "/users/me/keys"), 401)
