"""Props and timers that are refused when a source is saved: rows of the table "API bodies and
parameters" of docs/bad-inputs.md, at the level of who calls the API. Every case is refused by both
POST and PUT, names the prop, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from apps.sources.models import Source
from tests.api.conftest import Api, assert_error, body_of, make_component, make_source

PROPS = [
    {"name": "url", "type": "string"},
    {"name": "n", "type": "integer", "min": 1, "max": 3, "optional": True},
    {"name": "kind", "type": "string", "options": ["a", "b"], "optional": True},
    {"name": "timer", "type": "$.interface.timer", "optional": True},
]

# Row of the table → name → configured props.
REFUSED: dict[str, dict[str, Any]] = {
    "cron": {
        name: {"timer": {"cron": cron}}
        for name, cron in {
            "a day that never comes": "0 0 30 2 *",
            "6 fields": "0 0 0 1 1 *",
            "4 fields": "0 0 * *",
            "step over the range": "*/61 * * * *",
            "random": "R R * * *",
            "nearest weekday": "0 0 15W * *",
            "last day": "0 0 L * *",
            "alias": "@hourly",
            "200 characters": "0 0 " + "1," * 97 + "1 * *",
            "NUL-like": "* * * * *\x0b*",
            "a number": 5,
        }.items()
    },
    "interval": {
        str(seconds): {"timer": {"intervalSeconds": seconds}}
        for seconds in (0, -1, 14, 0.001, 10**18, "x", True)
    },
    "both": {"both": {"timer": {"intervalSeconds": 60, "cron": "0 0 * * *"}}},
    "neither": {
        "empty": {"timer": {}},
        "a zone alone": {"timer": {"timezone": "UTC"}},
        "other": {"timer": {"every": 5}},
    },
    "time zone": {
        name: {"timer": {"cron": "0 0 * * *", "timezone": zone}}
        for name, zone in {
            "unknown": "Nowhere/City",
            "a path": "../../etc/passwd",
            "absolute": "/etc/localtime",
            "a number": 3,
        }.items()
    },
    "unknown prop": {"unknown": {"nope": 1}},
    "missing prop": {"null": {"url": None}},
    "wrong type": {"number": {"url": 7}, "list": {"url": ["x"]}, "text": {"n": "x"}},
    "outside": {"below min": {"n": 0}, "over max": {"n": 4}, "no option": {"kind": "c"}},
    "over 64 KB": {"text": {"url": "x" * 65_535}},
    "reserved names": {
        name: {name: "x"} for name in ("__proto__", "constructor", "__class__", "prototype")
    },
}


@pytest.mark.parametrize(
    ("row", "name"), [(row, name) for row, cases in REFUSED.items() for name in cases]
)
def test_props_are_refused_by_name_and_nothing_changes(alice: Api, row: str, name: str) -> None:
    component = make_component(alice.user, props=PROPS)
    given = REFUSED[row][name]
    [prop] = given
    body = {"component_id": component.id, "configured_props": {"url": "u", **given}}
    error = assert_error(alice.call("POST", "/sources", body), 400)
    assert prop in error["error"]
    assert not Source.objects.exists()
    kept = {"url": "u", "timer": {"cron": None, "interval_seconds": 60}}
    source = make_source(alice.user, component, state="inactive", configured_props=kept)
    changed = alice.call("PUT", f"/sources/{source.id}", {"configured_props": given})
    assert prop in assert_error(changed, 400)["error"]
    source.refresh_from_db()
    assert source.configured_props == kept


def test_deleting_twice_is_204_then_404(alice: Api) -> None:
    """A source without hooks goes at once."""
    source = make_source(alice.user, state="inactive")
    assert alice.call("DELETE", f"/sources/{source.id}").status_code == 204
    assert_error(alice.call("DELETE", f"/sources/{source.id}"), 404, code="not_found")
    made = alice.call("POST", "/webhooks", {"url": "https://example.org/"})
    webhook = body_of(made)["data"]["id"]
    assert alice.call("DELETE", f"/webhooks/{webhook}").status_code == 204
    assert_error(alice.call("DELETE", f"/webhooks/{webhook}"), 404, code="not_found")
