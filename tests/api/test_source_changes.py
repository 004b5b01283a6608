"""PUT/DELETE /sources, POST run: REST specification 5.4 to 5.6 (conventions: test_creation.py)."""

from __future__ import annotations

import pytest

from apps.runs.contract import RunError
from apps.runs.models import Operation
from apps.sources.models import Source
from tests.api.clerk import Clerk
from tests.api.conftest import Api, assert_error, body_of, make_source
from tests.api.creating import CODE, HOOKS, hooking, mailbox

pytestmark = pytest.mark.django_db(transaction=True)


# --- PUT, DELETE -----------------------------------------------------------------------------


def test_q1_empty_put_changes_nothing(alice: Api) -> None:
    source = make_source(alice.user)
    before = alice.json(f"/sources/{source.id}")
    for body in (None, {}, {"nonsense": 1}):
        response = alice.call("PUT", f"/sources/{source.id}", body)
        assert response.status_code == 200
        assert body_of(response) == before
    assert not Operation.objects.exists()


def test_5_4_name_alone(alice: Api) -> None:
    source = make_source(alice.user)
    response = alice.call("PUT", f"/sources/{source.id}", {"name": "Ünter den Linden"})
    data = body_of(response)["data"]
    assert data["name"] == "Ünter den Linden"
    assert data["name_slug"] == "unter-den-linden"
    assert data["component_id"] == source.component_id


def test_5_4_new_code_of_a_hooking_source(alice: Api) -> None:
    component = hooking(alice)
    source = make_source(alice.user, component)
    with Clerk(HOOKS) as clerk:
        response = alice.call("PUT", f"/sources/{source.id}", {"component_code": CODE})
    assert response.status_code == 200, response.content
    data = body_of(response)["data"]
    assert data["id"] == source.id
    assert data["component_id"] != component.id
    assert clerk.hooks == ["deactivate", "activate"]


def test_5_4_toggle(alice: Api) -> None:
    source = make_source(alice.user, hooking(alice))
    with Clerk() as clerk:
        off = alice.call("PUT", f"/sources/{source.id}", {"active": False})
        on = alice.call("PUT", f"/sources/{source.id}?active=true")
    assert body_of(off)["data"]["active"] is False
    assert body_of(on)["data"]["active"] is True
    assert clerk.hooks == ["deactivate", "activate"]


def test_5_5_delete_is_204_and_then_404(alice: Api) -> None:
    source = make_source(alice.user)
    response = alice.call("DELETE", f"/sources/{source.id}")
    assert response.status_code == 204
    assert response.content == b""
    assert "Content-Type" not in response
    assert_error(alice.call("DELETE", f"/sources/{source.id}"), 404)
    assert_error(alice.get(f"/sources/{source.id}"), 404)
    assert_error(alice.get(f"/sources/{source.id}/event_summaries"), 404)


def test_5_5_failing_deactivate_stops_deletion_only_when_asked(alice: Api) -> None:
    source = make_source(alice.user, hooking(alice))
    path = f"/sources/{source.id}"
    with Clerk(hook=lambda hook: RunError("Error", "gone already")):
        response = alice.call("DELETE", f"{path}?ignore_hook_errors=false")
        assert_error(response, 400, code="hook_failed")
        assert alice.get(path).status_code == 200
        assert alice.call("DELETE", path).status_code == 204
    assert_error(alice.get(path), 404)


@pytest.mark.parametrize("value", ["maybe", "", "TRUE"])
def test_query_boolean_must_be_one(alice: Api, value: str) -> None:
    source = make_source(alice.user)
    response = alice.call("DELETE", f"/sources/{source.id}?ignore_hook_errors={value}")
    assert_error(response, 400, parameter="ignore_hook_errors")


# --- POST run --------------------------------------------------------------------------------


def test_5_6_run_is_202_and_queued_with_the_body_as_its_event(alice: Api) -> None:
    source = make_source(alice.user)
    for body in (None, {"b": 1, "a": [1.5, "ü"]}):
        response = alice.call("POST", f"/sources/{source.id}/run/", body)
        assert response.status_code == 202
        assert response.content == b""
    assert mailbox() == [("manual", b"{}"), ("manual", '{"b":1,"a":[1.5,"ü"]}'.encode())]


def test_5_6_run_of_an_inactive_source_is_400(alice: Api) -> None:
    source = make_source(alice.user, state=Source.State.INACTIVE)
    assert_error(alice.call("POST", f"/sources/{source.id}/run"), 400, code="source_inactive")
    assert mailbox() == []


def test_5_6_event_must_be_an_object(alice: Api) -> None:
    source = make_source(alice.user)
    assert_error(alice.call("POST", f"/sources/{source.id}/run", b"[1]"), 400)
