"""POST /components/dry_run: what is refused before any worker sees it."""

from __future__ import annotations

from typing import Any

import pytest

from apps.runs import rehearsal
from apps.runs.models import Operation
from tests.api.conftest import Api, assert_error, body_of
from tests.api.test_dry_run import code, dry_run
from tests.services import making

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_required_prop_must_be_given(alice: Api) -> None:
    saved = making.component(alice.user, {"name": "url", "type": "string"})
    response = dry_run(alice, component_id=saved.id)
    assert_error(response, 400)
    assert body_of(response)["details"]["parameter"] == "configured_props.url"


@pytest.mark.parametrize(
    ("body", "status", "parameter"),
    [
        ({}, 400, "component_id"),
        ({"component_code": ""}, 400, "component_code"),
        ({"component_code": 1}, 400, "component_code"),
        ({"component_code": "x" * (1024 * 1024 - 100)}, 413, "component_code"),
        ({"component_id": "dc_000000"}, 400, "component_id"),
        ({"component_id": "sc_000000"}, 400, "component_id"),
        ({"component_id": 1}, 400, "component_id"),
        ({"component_code": "x", "language": "ruby"}, 400, "language"),
        ({"component_code": "x", "hook": "run"}, 400, "hook"),
        ({"component_code": "x", "hook": 1}, 400, "hook"),
        ({"component_code": "x", "db": []}, 400, "db"),
        ({"component_code": "x", "db": {"": 1}}, 400, "db"),
        ({"component_code": "x", "db": {"k" * 257: 1}}, 400, "db"),
        ({"component_code": "x", "configured_props": "url"}, 400, "configured_props"),
    ],
)
def test_bad_input_names_the_parameter(
    alice: Api, body: Any, status: int, parameter: str, settings: Any
) -> None:
    settings.COMPONENT_BYTES = 1024
    assert_error(dry_run(alice, **body), status, parameter=parameter)
    assert not Operation.objects.exists()


def test_another_users_component_is_400_like_an_unknown_one(alice: Api) -> None:
    foreign = dry_run(alice, component_id=making.component(making.user()).id)
    assert foreign.content == dry_run(alice, component_id="sc_000000").content


def test_what_was_given_waits_encrypted(alice: Api) -> None:
    wanted = rehearsal.Wanted(
        None, code(), None, {"token": "s3cret"}, "e7ent", {"a": "st0re"}, None
    )
    args = str(rehearsal.start(alice.user, wanted).args)
    assert not any(word in args for word in ("s3cret", "e7ent", "st0re"))


def test_no_worker_in_time_is_503(
    alice: Api, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.HOOK_SECONDS = 0
    monkeypatch.setattr("apps.api.dry_run.PATIENCE_SECONDS", 0.1)
    assert_error(dry_run(alice, "pass"), 503, code="unavailable")
    assert not Operation.objects.exists()
