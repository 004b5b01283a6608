"""`/webhooks` (REST specification 8; index 4, 24, 31 to 33)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson
import pytest
from django.db import connection

from apps.core.ids import new_id
from apps.subscriptions import webhooks
from apps.subscriptions.models import Subscription, Webhook
from tests.api.conftest import Api, assert_error, body_of, make_source
from tests.api.hooks import URL, make, make_delivery, rows

# --- create, read, change, delete -----------------------------------------------------------------


def test_24_create_with_parameters_in_the_query(alice: Api) -> None:
    response = alice.call("POST", f"/webhooks?url={quote(URL)}&name=Mine&description=For%20tests")
    assert response.status_code == 200
    data = body_of(response)["data"]
    secret = data.pop("secret")
    assert secret.startswith("whsec_")
    assert data == alice.json(f"/webhooks/{data['id']}")["data"]
    assert data["id"].startswith("wh_")
    assert data["user_id"] == alice.user.id
    assert (data["url"], data["name"], data["description"]) == (URL, "Mine", "For tests")
    assert data["active"] is True
    assert isinstance(data["created_at"], int)
    assert isinstance(data["updated_at"], int)


def test_24_name_and_description_are_optional(alice: Api) -> None:
    data = make(alice)
    assert data["name"] is None
    assert data["description"] is None


def test_1_the_query_wins_over_the_body(alice: Api) -> None:
    response = alice.call("POST", f"/webhooks?url={quote(URL)}", {"url": "https://b.example/"})
    assert body_of(response)["data"]["url"] == URL


def test_8_url_is_required(alice: Api) -> None:
    assert_error(alice.call("POST", "/webhooks"), 400, parameter="url")
    assert_error(alice.call("POST", "/webhooks?url="), 400, parameter="url")


REFUSED = [
    "file:///etc/passwd", "gopher://example.com/", "javascript:alert(1)", "ftp://example.com/",
    "//example.com/", "example.com", "http://", "http:///path", "https://?a=1", "http://:80/",
    "http://user@example.com/", "http://user:secret@example.com/", "http://@example.com/",
    "http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f000001/",
    "http://0177.0.0.1/", "http://0x7f.1/", "http://127.0.0.1./", "http://①②⑦.⓪.⓪.①/",
    "http://１２７.0.0.1/", "http://127。0。0。1/", "http://0/", "http://[::]/", "http://[::1]/",
    "http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.1.1/", "http://169.254.169.254/",
    "http://100.64.0.1/", "http://224.0.0.1/", "http://255.255.255.255/", "http://0.0.0.0/",
    "http://[::ffff:169.254.169.254]/", "http://[::ffff:a9fe:a9fe]/",
    "http://[64:ff9b::a9fe:a9fe]/", "http://[2002:a9fe:a9fe::]/", "http://[fec0::1]/",
    "http://[fe80::1]/", "http://[fe80::1%25eth0]/", "http://[fd00::1]/", "http://[ff02::1]/",
    "http://[::7f00:1]/", "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "http://localhost/", "http://LOCALHOST:8000/", "http://api.localhost/", "http://localhost./",
    "http://example.com:0/", "http://example.com:99999/", "http://example.com:x/",
    "http://example.com\\@127.0.0.1/", "http://exa mple.com/", "http://example.com/\r\nX: 1",
    "http://example.com\t/", "http://exam%70le.com/", "http://a..b/", "http://-a.example/",
    "http://[::1/", "http://[bad]/", "http://" + "a" * 64 + ".com/",
    "http://example.com/" + "a" * 2100,
]  # fmt: skip


@pytest.mark.parametrize("url", REFUSED)
def test_8_bad_input_url(alice: Api, url: str) -> None:
    assert_error(alice.call("POST", "/webhooks", {"url": url}), 400, parameter="url")
    assert_error(alice.call("POST", f"/webhooks?url={quote(url)}"), 400, parameter="url")
    assert Webhook.objects.count() == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "HTTPS://Example.com:8443/a/b?c=d#e",
        "https://bücher.example/ü?ä=ö",
        "http://8.8.8.8/",
        "http://[2606:4700:4700::1111]:8080/",
        "http://xn--bcher-kva.example/",
        "http://under_score.example/",
    ],
)
def test_8_port_and_path_are_free(alice: Api, url: str) -> None:
    assert make(alice, url)["url"] == url


def test_8_private_addresses_are_for_the_operator_to_open(alice: Api, settings: Any) -> None:
    settings.EGRESS_ALLOW = ("127.0.0.0/8:9000", "10.0.0.0/8")
    for url in ("http://127.0.0.1:9000/", "http://localhost:9000/", "http://10.1.2.3/"):
        assert make(alice, url)["url"] == url
    for url in ("http://127.0.0.1/", "http://127.1:9000/", "http://192.168.0.1/"):
        assert_error(alice.call("POST", "/webhooks", {"url": url}), 400, parameter="url")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", 1), ("url", "http://e.com/\0"), ("name", 1), ("name", "   "), ("name", "a" * 256),
        ("name", "a\u202eb"), ("description", 1), ("description", "a" * 4097),
        ("description", "\0"),
    ],
)  # fmt: skip
def test_8_bad_input_fields(alice: Api, field: str, value: Any) -> None:
    raw = orjson.dumps({"url": URL, field: value})
    response = alice.call("POST", "/webhooks", raw)
    assert response.status_code == 400
    assert Webhook.objects.count() == 0


def test_4_list_newest_first_in_pages(alice: Api) -> None:
    made = [make(alice, name=f"n{i}")["id"] for i in range(3)]
    page = alice.json("/users/me/webhooks?limit=2")
    assert [item["id"] for item in page["data"]] == made[:0:-1]
    assert page["page_info"]["total_count"] == 3
    rest = alice.json(f"/users/me/webhooks?after={page['page_info']['end_cursor']}")
    assert [item["id"] for item in rest["data"]] == made[:1]


def test_31_the_secret_is_shown_by_create_and_rotate_alone(alice: Api) -> None:
    made = make(alice)
    path = f"/webhooks/{made['id']}"
    shown = [alice.get(path), alice.get("/users/me/webhooks"), alice.get(f"{path}/deliveries")]
    shown.append(alice.call("PUT", path, {"name": "new"}))
    assert all(b"secret" not in response.content for response in shown)
    rotated = body_of(alice.call("POST", f"{path}/rotate_secret"))["data"]
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != made["secret"]
    assert rotated["id"] == made["id"]


def test_31_the_secret_is_stored_encrypted(alice: Api) -> None:
    made = make(alice)
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM subscriptions_webhook")
        stored = bytes(cursor.fetchall()[0][0])
    assert made["secret"].encode() not in stored
    assert made["secret"].removeprefix("whsec_").encode() not in stored


def test_31_after_a_rotation_both_secrets_sign_for_a_day(alice: Api) -> None:
    made = make(alice)
    rotated = body_of(alice.call("POST", f"/webhooks/{made['id']}/rotate_secret"))["data"]
    stored = Webhook.objects.get(id=made["id"]).secret
    until = stored[1]["until_ms"]
    assert webhooks.keys(stored, until) == [rotated["secret"], made["secret"]]
    assert webhooks.keys(stored, until + 1) == [rotated["secret"]]


def test_31_put_changes_what_is_given(alice: Api) -> None:
    made = make(alice, name="old", description="old")
    path = f"/webhooks/{made['id']}"
    changed = body_of(alice.call("PUT", path, {"name": "new", "active": False}))["data"]
    assert (changed["name"], changed["active"], changed["url"]) == ("new", False, URL)
    assert changed["description"] == "old"
    changed = body_of(alice.call("PUT", f"{path}?url=https://b.example/&active=true"))["data"]
    assert (changed["url"], changed["active"]) == ("https://b.example/", True)
    assert body_of(alice.call("PUT", path))["data"] == alice.json(path)["data"]
    assert body_of(alice.call("PUT", path, {"description": ""}))["data"]["description"] is None


def test_31_put_refuses_what_create_refuses(alice: Api) -> None:
    made = make(alice)
    for body in ({"url": "http://127.0.0.1/"}, {"url": ""}, {"active": "yes"}, {"name": ""}):
        response = alice.call("PUT", f"/webhooks/{made['id']}", body)
        assert_error(response, 400, parameter=next(iter(body)))
    assert alice.json(f"/webhooks/{made['id']}")["data"]["url"] == URL


def test_24_delete_ends_its_subscriptions_and_drops_what_is_pending(alice: Api) -> None:
    made, source = make(alice), make_source(alice.user)
    query = f"emitter_id={source.id}&listener_id={made['id']}"
    assert alice.call("POST", f"/subscriptions?{query}").status_code == 200
    make_delivery(made["id"], 0, "pending")
    make_delivery(made["id"], 1, "dead")
    response = alice.call("DELETE", f"/webhooks/{made['id']}")
    assert (response.status_code, response.content) == (204, b"")
    assert Subscription.objects.filter(deleted_at=None).count() == 0
    assert rows(made["id"]) == [(1, "dead", False)]
    assert_error(alice.call("DELETE", f"/webhooks/{made['id']}"), 404)
    assert_error(alice.get(f"/webhooks/{made['id']}"), 404)
    assert alice.json("/users/me/webhooks")["page_info"]["total_count"] == 0


@pytest.mark.parametrize(
    "public_id", ["wh_000000", "dc_000000", "wh_", "wh_%00", "x", "wh_" + "a" * 99]
)
def test_24_unknown_ids_are_404(alice: Api, public_id: str) -> None:
    for method, path in (
        ("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/rotate_secret"),
        ("GET", "/deliveries"), ("POST", "/replay"),
    ):  # fmt: skip
        assert_error(alice.call(method, f"/webhooks/{public_id}{path}"), 404)


def test_4_another_users_webhook_is_not_there(alice: Api, bob: Api) -> None:
    made = make(alice)
    for method, path in (
        ("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/rotate_secret"),
        ("GET", "/deliveries"), ("POST", "/replay"),
    ):  # fmt: skip
        foreign = bob.call(method, f"/webhooks/{made['id']}{path}")
        unknown = bob.call(method, f"/webhooks/{new_id('wh')}{path}")
        assert_error(foreign, 404)
        assert foreign.content == unknown.content
    assert bob.json("/users/me/webhooks")["data"] == []
    assert alice.json(f"/webhooks/{made['id']}")["data"]["active"] is True


def test_t8_t9_slashes_and_methods(alice: Api) -> None:
    made = make(alice)
    for path in ("/users/me/webhooks", f"/webhooks/{made['id']}"):
        assert alice.get(path).content == alice.get(path + "/").content
    assert alice.get("/webhooks").status_code == 405
    assert alice.call("POST", f"/webhooks/{made['id']}")["Allow"] == "GET, HEAD, PUT, DELETE"


def test_3_include_and_exclude(alice: Api) -> None:
    made = make(alice)
    assert alice.json(f"/webhooks/{made['id']}?include=id,url")["data"] == {
        "id": made["id"],
        "url": URL,
    }
    response = alice.call("POST", "/webhooks?exclude=secret", {"url": URL})
    assert "secret" not in body_of(response)["data"]
