"""What a user does before deploying, against a whole stack: search, choose, try out; and keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.processes import ROOT, Running

FIXTURES = ROOT / "tests/fixtures"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with Running(tmp_path_factory.mktemp("stack"), root=ROOT) as running:
        with running.ready().client() as client:
            yield client


def data_of(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


@pytest.mark.parametrize("file", ["options_component.py", "options_component.js"])
def test_case_14_choices_page_by_page(api: httpx.Client, file: str) -> None:
    code = (FIXTURES / file).read_text()
    component = data_of(api.post("/components", json={"component_code": code}))
    assert [p.get("remoteOptions") for p in component["configurable_props"]] == [None, True]
    path, props = f"/components/{component['id']}/props/repo/options", {"org": "acme"}
    first = data_of(api.post(path, json={"configured_props": props}))
    assert first == {
        "options": [{"label": "acme/one", "value": 1}, {"label": "two", "value": "two"}],
        "context": {"cursor": "c1"},
    }
    last = {"page": 2, "prev_context": {"cursor": "c2"}, "query": "é", "configured_props": props}
    assert data_of(api.post(path, json=last)) == {"options": [], "context": None}


def test_a_dry_run_of_what_the_search_found(api: httpx.Client) -> None:
    [key, *_] = data_of(api.get("/components/search", params={"query": "schedul tick"}))["sources"]
    component = data_of(api.get(f"/components/registry/{key}"))
    event = {"timestamp": 1600000000, "interval_seconds": 60}
    ran = data_of(
        api.post("/components/dry_run", json={"component_id": component["id"], "event": event})
    )
    assert ran["error"] is None
    assert len(ran["emits"]) == 1
    assert data_of(api.get("/users/me"))["daily_invocations_used"] == 1


def test_a_key_of_ones_own(api: httpx.Client) -> None:
    made = data_of(api.post("/users/me/keys", json={"name": "laptop"}))
    own = {"Authorization": f"Bearer {made['key']}"}
    assert api.get("/users/me", headers=own).status_code == 200
    assert api.delete(f"/users/me/keys/{made['id']}").status_code == 204
    assert api.get("/users/me", headers=own).status_code == 401
