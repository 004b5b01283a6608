"""/accounts: REST specification, index row 34; component specification 3.5."""

from __future__ import annotations

from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext

from apps.accounts import connected
from apps.accounts.models import Account
from apps.core import secrets
from apps.sources.models import Source
from tests.api.conftest import Api, assert_error, body_of, make_component, make_source

FIELDS = {"id", "name", "app_slug", "created_at", "updated_at", "expires_at", "error"}
TOKEN = "ghp_hunter22"
APP = {"name": "github", "type": "app", "app": "github"}


def connect(caller: Api, app_slug: str = "github", **more: Any) -> dict[str, Any]:
    body = {"app_slug": app_slug, "credentials": {"oauth_access_token": TOKEN}, **more}
    response = caller.call("POST", "/accounts", body)
    assert response.status_code == 200, response.content
    data: dict[str, Any] = body_of(response)["data"]
    return data


def use(account: dict[str, Any]) -> dict[str, Any]:
    return {"github": {"authProvisionId": account["id"]}}


def test_34_credentials_go_in_and_never_come_out(alice: Api) -> None:
    made = connect(alice, name="work")
    assert set(made) == FIELDS
    assert made["id"].startswith("apn_")
    assert (made["name"], made["app_slug"]) == ("work", "github")
    row = Account.objects.get(id=made["id"])
    assert TOKEN not in row.credentials
    assert secrets.decrypt(row.credentials) == {"oauth_access_token": TOKEN}
    one = alice.get(f"/accounts/{made['id']}")
    assert body_of(one)["data"] == made
    for response in (one, alice.get("/accounts"), alice.get("/users/me/accounts")):
        assert TOKEN.encode() not in response.content
        assert b"credentials" not in response.content


def test_34_without_a_name_an_account_is_called_like_its_app(alice: Api) -> None:
    assert connect(alice)["name"] == "github"


@pytest.mark.parametrize("path", ["/accounts", "/users/me/accounts"])
def test_34_the_list_is_paged_and_filtered_by_app(alice: Api, bob: Api, path: str) -> None:
    made = [connect(alice, name=f"n{number}") for number in range(3)]
    slack = connect(alice, "slack")
    connect(bob)
    first = alice.json(f"{path}?limit=3")
    assert [item["id"] for item in first["data"]] == [slack["id"], made[2]["id"], made[1]["id"]]
    assert first["page_info"]["total_count"] == 4
    alice.call("DELETE", f"/accounts/{made[1]['id']}")
    rest = alice.json(f"{path}?after={first['page_info']['end_cursor']}")
    assert [item["id"] for item in rest["data"]] == [made[0]["id"]]
    only = alice.json(f"{path}?app=slack")
    assert [item["id"] for item in only["data"]] == [slack["id"]]
    assert alice.json(f"{path}?app=none")["data"] == []


def test_34_put_replaces_all_credentials_and_keeps_the_id(alice: Api) -> None:
    made = connect(alice, name="old")
    body = {"credentials": {"api_key": "k"}}
    response = alice.call("PUT", f"/accounts/{made['id']}", body)
    assert body_of(response)["data"]["name"] == "old"
    row = Account.objects.get(id=made["id"])
    assert secrets.decrypt(row.credentials) == {"api_key": "k"}
    renamed = alice.call("PUT", f"/accounts/{made['id']}", {"name": "new"})
    assert body_of(renamed)["data"]["name"] == "new"
    row.refresh_from_db()
    assert secrets.decrypt(row.credentials) == {"api_key": "k"}


def test_34_of_two_changes_at_once_the_second_is_refused(alice: Api) -> None:
    found = connected.find(alice.user, connect(alice)["id"])
    again = connected.find(alice.user, found.id)
    connected.change(found, credentials={"a": "first"})
    with pytest.raises(Exception, match="has changed meanwhile"):
        connected.change(again, credentials={"a": "second"})


def test_34_deleted_is_gone_with_its_credentials(alice: Api) -> None:
    made = connect(alice)
    response = alice.call("DELETE", f"/accounts/{made['id']}")
    assert (response.status_code, response.content) == (204, b"")
    for method in ("GET", "PUT", "DELETE"):
        assert_error(alice.call(method, f"/accounts/{made['id']}"), 404)
    row = Account.objects.get(id=made["id"])
    assert row.credentials == ""
    assert row.deleted_at is not None


def test_34_an_account_in_use_is_deleted_by_force_only(alice: Api) -> None:
    account, other = connect(alice), connect(alice)
    text = {"name": "note", "type": "string"}
    component = make_component(alice.user, props=[APP, text])
    make_source(alice.user, component, configured_props={**use(other), "note": account["id"]})
    user = make_source(alice.user, component, configured_props={**use(account), "note": ""})
    gone = make_source(
        alice.user, component, configured_props={**use(account), "note": ""}, state="deleted"
    )
    refused = alice.call("DELETE", f"/accounts/{account['id']}")
    error = assert_error(refused, 409, code="account_in_use")
    assert error["details"]["sources"] == [user.id]
    assert user.id in error["error"]
    assert gone.id not in error["error"]
    assert alice.get(f"/accounts/{account['id']}").status_code == 200
    response = alice.call("DELETE", f"/accounts/{account['id']}?force=true")
    assert response.status_code == 204


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"credentials": {"a": "b"}}, "app_slug"),
        ({"app_slug": "", "credentials": {"a": "b"}}, "app_slug"),
        ({"app_slug": "git hub", "credentials": {"a": "b"}}, "app_slug"),
        ({"app_slug": "x" * 65, "credentials": {"a": "b"}}, "app_slug"),
        ({"app_slug": 1, "credentials": {"a": "b"}}, "app_slug"),
        ({"app_slug": "github"}, "credentials"),
        ({"app_slug": "github", "credentials": "x"}, "credentials"),
        ({"app_slug": "github", "credentials": {}}, "credentials"),
        ({"app_slug": "github", "credentials": {"": "x"}}, "credentials"),
        ({"app_slug": "github", "credentials": {"a" * 129: "x"}}, "credentials"),
        ({"app_slug": "github", "credentials": {"a": {"b": "c"}}}, "credentials.a"),
        ({"app_slug": "github", "credentials": {"a": ["b"]}}, "credentials.a"),
        ({"app_slug": "github", "credentials": {"a": None}}, "credentials.a"),
        ({"app_slug": "github", "credentials": {"a": "x\0"}}, "credentials"),
        ({"app_slug": "github", "credentials": {"a": "x" * 70_000}}, "credentials"),
        ({"app_slug": "github", "credentials": dict.fromkeys(map(str, range(101)), "x")},
         "credentials"),
        ({"app_slug": "github", "credentials": {"a": "b"}, "name": " "}, "name"),
    ],
)  # fmt: skip
def test_34_bad_input_names_the_field(alice: Api, body: Any, parameter: str) -> None:
    assert_error(alice.call("POST", "/accounts", body), 400, parameter=parameter)
    assert not Account.objects.exists()


@pytest.mark.parametrize("account_id", ["apn", "apn_", "%00", "apn_%00", "dc_000000", "~"])
def test_34_strange_ids_are_404(alice: Api, account_id: str) -> None:
    assert_error(alice.get(f"/accounts/{account_id}"), 404)


def test_34_the_same_key_of_idempotency_connects_once(alice: Api) -> None:
    body = {"app_slug": "github", "credentials": {"a": "b"}}
    header = {"Idempotency-Key": "one"}
    first = alice.call("POST", "/accounts", body, **header)
    again = alice.call("POST", "/accounts", body, **header)
    assert first.content == again.content
    assert Account.objects.count() == 1


# --- in configured_props -----------------------------------------------------------------------


def deploy(caller: Api, **configured: Any) -> Any:
    component = make_component(caller.user, props=[APP])
    body = {"component_id": component.id, "configured_props": configured}
    return caller.call("POST", "/sources", body)


def test_34_a_source_names_its_account(alice: Api) -> None:
    account = connect(alice)
    response = deploy(alice, github={"authProvisionId": account["id"], "name": "dropped"})
    assert response.status_code == 200, response.content
    source = body_of(response)["data"]
    assert source["configured_props"] == use(account)
    assert Source.objects.get(id=source["id"]).configured_props == use(account)
    assert TOKEN.encode() not in response.content


def test_34_an_account_that_is_missing_foreign_deleted_or_of_another_app_is_400(
    alice: Api, bob: Api
) -> None:
    deleted, slack, foreign = connect(alice), connect(alice, "slack"), connect(bob)
    alice.call("DELETE", f"/accounts/{deleted['id']}")
    where = "configured_props.github"

    def refusal(**configured: Any) -> Any:
        return assert_error(deploy(alice, **configured), 400, code="invalid_parameter")

    def of(account: Any) -> str:
        error = refusal(github={"authProvisionId": account})
        assert error["details"]["parameter"] == where
        return str(error["error"])

    assert "github" in refusal()["error"]
    assert "github" in refusal(github=None)["error"]
    assert "authProvisionId" in refusal(github=foreign["id"])["error"]
    assert "authProvisionId" in of(7)
    # Another's is like one that is not there.
    unknown = of("apn_000000")
    assert of(foreign["id"]) == unknown == of(deleted["id"]) == of("apn_\u2028x") == of("x" * 500)
    assert "slack" in of(slack["id"])
    assert not Source.objects.exists()


@pytest.mark.parametrize("app", ["rss", "http", "schedule"])
def test_34_apps_without_credentials_need_no_account(alice: Api, app: str) -> None:
    component = make_component(alice.user, props=[{"name": "app", "type": "app", "app": app}])
    response = alice.call("POST", "/sources", {"component_id": component.id})
    assert response.status_code == 200, response.content


def test_34_an_update_may_change_the_account(alice: Api, bob: Api) -> None:
    first, second, foreign = connect(alice), connect(alice), connect(bob)
    source = body_of(deploy(alice, **use(first)))["data"]
    path = f"/sources/{source['id']}"
    changed = alice.call("PUT", path, {"configured_props": use(second)})
    assert body_of(changed)["data"]["configured_props"] == use(second)
    refused = alice.call("PUT", path, {"configured_props": use(foreign)})
    assert_error(refused, 400, code="invalid_parameter")
    renamed = alice.call("PUT", path, {"name": "other"})
    assert body_of(renamed)["data"]["configured_props"] == use(second)


def test_34_the_list_decrypts_nothing(
    alice: Api, django_assert_max_num_queries: Any, settings: Any
) -> None:
    """A lost key keeps nobody from seeing, replacing and deleting accounts."""
    made = connect(alice)
    settings.ENCRYPTION_KEYS = ["another"]
    with django_assert_max_num_queries(4) as queries:
        assert len(alice.json("/accounts")["data"]) == 1
    assert isinstance(queries, CaptureQueriesContext)
    body = {"credentials": {"a": "b"}}
    assert alice.call("PUT", f"/accounts/{made['id']}", body).status_code == 200
    assert alice.call("DELETE", f"/accounts/{made['id']}").status_code == 204
