"""`component_files` and `component_entry` of POST /components: a tree without a URL."""

from __future__ import annotations

from typing import Any

import pytest

from apps.components.models import Component
from tests.api.clerk import Clerk
from tests.api.conftest import Api, assert_error, body_of
from tests.api.creating import CODE

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_tree_is_kept_with_its_component(alice: Api) -> None:
    tree = {"component_entry": "sources/a.js", "component_files": {"common/b.js": "export {}"}}
    with Clerk():
        response = alice.call("POST", "/components", {"component_code": CODE, **tree})
    assert response.status_code == 200
    kept = Component.objects.get(id=body_of(response)["data"]["id"])
    assert (kept.entry, kept.files) == ("sources/a.js", {"common/b.js": "export {}"})


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        pytest.param({"component_files": {"b.js": ""}}, "component_entry", id="no entry"),
        pytest.param(
            {"component_entry": "a.js", "component_files": {"../b.js": ""}},
            "component_files",
            id="outside",
        ),
        pytest.param(
            {"component_entry": "a.js", "component_files": {"a.js": ""}},
            "component_files",
            id="twice",
        ),
        pytest.param(
            {"component_entry": "a.js", "component_files": {"b.js": 1}},
            "component_files",
            id="no text",
        ),
        pytest.param(
            {"component_entry": "a.js", "component_files": ["b.js"]},
            "component_files",
            id="no object",
        ),
        pytest.param({"component_entry": "/etc/passwd"}, "component_entry", id="absolute"),
        pytest.param({"component_entry": "a\x00.js"}, "component_entry", id="nul"),
    ],
)
def test_what_cannot_be_laid_out_is_refused(
    alice: Api, body: dict[str, Any], parameter: str
) -> None:
    response = alice.call("POST", "/components", {"component_code": CODE, **body})
    assert_error(response, 400, parameter=parameter)
    assert not Component.objects.filter(owner__isnull=False).exists()


def test_a_tree_goes_with_code(alice: Api) -> None:
    body = {"component_url": "https://example.org/a.js", "component_files": {"b.js": ""}}
    response = alice.call("POST", "/components", body)
    assert_error(response, 400, parameter="component_code")
