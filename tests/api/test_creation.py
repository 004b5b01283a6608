"""POST /components, POST/PUT/DELETE /sources, POST run: REST specification 5.2 to 5.6.

Through Django's test client: a deferred answer is waited for on the spot. Over the edge:
test_waiting.py.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from apps.components.models import Component
from apps.runs.contract import RunError
from apps.sources.models import Source
from tests.api.clerk import FEED, Clerk
from tests.api.conftest import Api, assert_error, body_of, make_component
from tests.api.creating import CODE, HOOKS, hooking

pytestmark = pytest.mark.django_db(transaction=True)


# --- POST /components ------------------------------------------------------------------------


def test_5_2_created_component(alice: Api) -> None:
    with Clerk():
        response = alice.call("POST", "/components", {"component_code": CODE})
    assert response.status_code == 200
    data = body_of(response)["data"]
    assert data["id"].startswith("sc_")
    assert data["code"] == CODE
    assert data["code_hash"] == hashlib.sha256(CODE.encode()).hexdigest()
    assert data["name"] == "My Feed"
    assert data["configurable_props"] == FEED["props"]
    assert data["language"] == "python"
    assert alice.json("/components/my-feed")["data"] == data


def test_5_2_the_same_code_twice_is_two_components(alice: Api) -> None:
    with Clerk():
        ids = {
            body_of(alice.call("POST", "/components", {"component_code": CODE}))["data"]["id"]
            for _ in range(2)
        }
    assert len(ids) == 2


def test_5_2_url_beside_code_is_provenance_and_not_fetched(alice: Api) -> None:
    url = "https://127.0.0.1:1/nothing.py"
    with Clerk():
        response = alice.call("POST", "/components", {"component_code": CODE, "component_url": url})
    assert body_of(response)["data"]["component_url"] == url


def test_5_2_include_and_exclude_work_on_creation(alice: Api) -> None:
    with Clerk():
        response = alice.call("POST", "/components?include=id,name", {"component_code": CODE})
        assert list(body_of(response)["data"]) == ["id", "name"]
        body = {"component_code": CODE, "exclude": "code"}
        assert "code" not in body_of(alice.call("POST", "/components", body))["data"]


def test_5_2_code_that_does_not_load_is_400_with_line_and_column(alice: Api) -> None:
    error = {"name": "SyntaxError", "message": "invalid syntax", "code": "syntax_error",
             "line": 3, "column": 7}  # fmt: skip
    with Clerk(error=error):
        response = alice.call("POST", "/components", {"component_code": "class"})
    details = assert_error(response, 400, code="syntax_error")["details"]
    assert details["line"] == 3
    assert details["column"] == 7
    assert details["parameter"] == "component_code"
    assert not Component.objects.exists()


@pytest.mark.parametrize("language", ["cobol", "", 7])
def test_q7_unknown_language_is_400(alice: Api, language: Any) -> None:
    body = {"component_code": CODE, "language": language}
    assert_error(alice.call("POST", "/components", body), 400, parameter="language")


# --- POST /sources ---------------------------------------------------------------------------


def test_5_3_created_source_has_the_shape_of_the_seed(alice: Api) -> None:
    component = make_component(alice.user, props=FEED["props"])
    body = {
        "component_id": component.id,
        "name": "your-name-here",
        "configured_props": {
            "url": "https://rss.m.pipedream.net",
            "timer": {"intervalSeconds": 60},
        },
    }
    response = alice.call("POST", "/sources", body)
    assert response.status_code == 200
    data = body_of(response)["data"]
    assert data.pop("id").startswith("dc_")
    assert data.pop("created_at") == data.pop("updated_at")
    assert data == {
        "user_id": alice.user.id,
        "component_id": component.id,
        "configured_props": {
            "url": "https://rss.m.pipedream.net",
            "timer": {"cron": None, "interval_seconds": 60},
        },
        "active": True,
        "name": "your-name-here",
        "name_slug": "your-name-here",
        "concurrency": 1,
        "rate_limit": None,
    }


def test_5_3_code_first_becomes_a_component_of_its_own(alice: Api) -> None:
    body = {"component_code": CODE, "configured_props": {"url": "https://example.org"}}
    with Clerk(HOOKS) as clerk:
        response = alice.call("POST", "/sources", body)
    assert response.status_code == 200, response.content
    data = body_of(response)["data"]
    component = Component.objects.get(id=data["component_id"])
    assert component.code == CODE
    assert data["name"] == data["name_slug"] == component.name_slug
    assert clerk.hooks == ["deploy", "activate"]
    assert alice.json(f"/sources/{data['id']}")["data"] == data


def test_5_3_id_wins_over_code(alice: Api) -> None:
    component = make_component(alice.user, props=FEED["props"])
    body = {
        "component_id": component.id,
        "component_code": "broken",
        "configured_props": {"url": "u"},
    }
    response = alice.call("POST", "/sources", body)
    assert body_of(response)["data"]["component_id"] == component.id


def test_5_3_registry_component_can_be_deployed_by_everybody(alice: Api) -> None:
    published = make_component(None, props=FEED["props"], origin="builtin")
    body = {"component_id": published.id, "configured_props": {"url": "u"}}
    assert alice.call("POST", "/sources", body).status_code == 200


def test_5_3_nothing_to_deploy_is_400(alice: Api) -> None:
    details = assert_error(alice.call("POST", "/sources", {"name": "x"}), 400)["details"]
    assert details["one_of"] == ["component_id", "component_code", "component_url"]


@pytest.mark.parametrize("component_id", ["dc_000000", "sc_000000", "feed", "", "sc_", "sc_\n"])
def test_4_id_of_the_wrong_kind_as_a_parameter_is_400(alice: Api, component_id: str) -> None:
    make_component(alice.user)
    response = alice.call("POST", "/sources", {"component_id": component_id})
    assert_error(response, 400, parameter="component_id")


@pytest.mark.parametrize(
    "configured",
    [{}, {"url": "u", "nope": 1}, {"url": 7}, {"url": "u", "timer": {"intervalSeconds": 14}}],
)
def test_5_3_invalid_props_are_400_and_nothing_is_kept(
    alice: Api, configured: dict[str, Any]
) -> None:
    component = make_component(alice.user, props=FEED["props"])
    body = {"component_id": component.id, "configured_props": configured}
    assert_error(alice.call("POST", "/sources", body), 400)
    assert not Source.objects.exists()


def test_5_3_failing_hook_is_400_and_nothing_is_kept(alice: Api) -> None:
    body = {"component_id": hooking(alice).id, "configured_props": {"url": "u"}}
    with Clerk(hook=lambda hook: RunError("Error", "no such repository")) as clerk:
        response = alice.call("POST", "/sources", body)
    error = assert_error(response, 400, code="hook_failed")
    assert error["error"] == "no such repository"
    assert error["details"]["hook"] == "deploy"
    assert clerk.hooks[0] == "deploy"
    assert alice.json("/users/me/sources")["data"] == []


def test_5_3_inactive_creation_runs_deploy_only(alice: Api) -> None:
    body = {
        "component_id": hooking(alice).id,
        "configured_props": {"url": "u"},
        "active": False,
    }
    with Clerk() as clerk:
        response = alice.call("POST", "/sources", body)
    assert body_of(response)["data"]["active"] is False
    assert clerk.hooks == ["deploy"]


def test_5_limits_are_taken_shown_changed_and_lifted(alice: Api) -> None:
    body = {"component_id": make_component(alice.user, props=[]).id, "concurrency": 8}
    data = body_of(alice.call("POST", "/sources", {**body, "rate_limit": 50}))["data"]
    assert (data["concurrency"], data["rate_limit"]) == (8, 50)
    path = f"/sources/{data['id']}"
    for change, now in (
        ({"concurrency": 64}, (64, 50)),
        ({"concurrency": None, "name": "x"}, (64, 50)),
        ({"rate_limit": None}, (64, None)),
    ):
        assert alice.call("PUT", path, change).status_code == 200
        shown = alice.json(path)["data"]
        assert (shown["concurrency"], shown["rate_limit"]) == now


@pytest.mark.parametrize(
    ("name", "value"),
    [("concurrency", 0), ("concurrency", 65), ("concurrency", "8"), ("rate_limit", 0),
     ("rate_limit", True), ("rate_limit", 1.5), ("rate_limit", 2**63)],
)  # fmt: skip
def test_5_limits_out_of_range_are_400(alice: Api, name: str, value: Any) -> None:
    body = {"component_id": make_component(alice.user, props=[]).id, name: value}
    assert_error(alice.call("POST", "/sources", body), 400, parameter=name)
    assert not Source.objects.exists()
