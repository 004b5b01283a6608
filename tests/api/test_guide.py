"""Every component of the guide in `docs/components.md`, in both languages, in real children.

One check for both languages of a step: side by side they do the same.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.api.conftest import Api, body_of, make_caller
from tests.api.worker import Worker
from tests.packages.registry import Registry, Serving
from tests.processes import ROOT

pytestmark = pytest.mark.django_db(transaction=True)

GUIDE = (ROOT / "docs/components.md").read_text("utf-8").partition("\n## Reference\n")[0]
BLOCK = re.compile(r"```(?:python|js)\n(?P<code>(?:#|//) (?P<name>[\w.]+)\n.*?)```", re.DOTALL)
EXAMPLES = {found["name"]: found["code"] for found in BLOCK.finditer(GUIDE)}
READING = {"sensor": "living_room", "degrees": 31}


class Step:
    """One component of the guide, and a caller who tries it."""

    def __init__(self, caller: Api, code: str) -> None:
        self.caller = caller
        self.code = code

    def ran(self, **body: Any) -> dict[str, Any]:
        """What the dry run answers; its code must not fail."""
        body["component_code"] = self.code
        response = self.caller.call("POST", "/components/dry_run", body)
        assert response.status_code == 200, response.content
        data: dict[str, Any] = body_of(response)["data"]
        assert data["error"] is None
        return data

    def emits(self, event: Any, **props: Any) -> list[Any]:
        emits: list[Any] = self.ran(event=event, configured_props=props)["emits"]
        return emits


def smallest(step: Step) -> None:
    assert step.emits(READING) == [{"event": READING, "metadata": _named(summary="31 °C")}]


def props(step: Step) -> None:
    [emit] = step.emits(READING, place="Lyon")
    assert emit["metadata"]["summary"] == "31 °C in Lyon"
    assert step.emits(READING, place="Lyon", limit=31) == []


def timer(step: Step) -> None:
    tick = {"timestamp": 1600000000, "interval_seconds": 3600}
    assert step.ran(event=READING, db={"highest": 30})["db"] == {"highest": 31}
    assert step.ran(event=READING, db={})["db"] == {"highest": 31}
    assert step.ran(event=READING, db={"highest": 32})["db"] == {"highest": 32}
    told = step.ran(event=tick, db={"highest": 32})
    assert told["emits"] == [{"event": {"highest": 32}, "metadata": _named(ts=1600000000000)}]
    assert told["db"] == {}
    assert step.ran(event=tick, db={})["emits"] == []


def dedupe(step: Step) -> None:
    times = ("2026-07-01T14:05Z", "2026-07-01T14:50Z", "2026-07-01T15:00Z")
    readings = [{**READING, "at": at} for at in times]
    told = step.ran(event={"readings": [*readings, {**READING, "degrees": 30}]})
    metadata = _named(id="living_room 2026-07-01T14", summary="living_room: 31 °C")
    assert [emit["event"] for emit in told["emits"]] == [readings[0], readings[2]]
    assert told["suppressed"] == [{"event": readings[1], "metadata": metadata, "reason": "seen"}]


def endpoint(step: Step) -> None:
    told = step.ran(event=_request("t0k"), configured_props={"token": "t0k"})
    assert [emit["event"] for emit in told["emits"]] == [READING]
    assert (told["response"]["status"], told["response"]["body"]) == (202, '{"accepted":1}')
    told = step.ran(event=_request("no"), configured_props={"token": "t0k"})
    assert told["emits"] == []
    assert told["response"]["status"] == 401


def hooks(step: Step) -> None:
    assert step.ran(hook="deploy")["emits"][0]["metadata"]["summary"] == "a sample"
    store = step.ran(hook="activate")["db"]
    assert "/h/" in store["registered"]
    assert step.ran(hook="deactivate", db=store)["db"] == {}
    assert step.emits(_request("t"))[0]["event"] == {"readings": [READING]}


def packages(step: Step) -> None:
    assert step.emits(READING)[0]["metadata"]["summary"] == "Living Room: 31 °C"


def account(step: Step) -> None:
    body = {"app_slug": "pager", "name": "mine", "credentials": {"key": "k3y"}}
    made = body_of(step.caller.call("POST", "/accounts", body))["data"]
    text = "living_room: 31 °C"
    signature = hmac.new(b"k3y", text.encode(), hashlib.sha256).hexdigest()
    [emit] = step.emits(READING, pager={"authProvisionId": made["id"]})
    assert emit["event"] == {"text": text, "signature": signature}


def choices(step: Step) -> None:
    created = step.caller.call("POST", "/components", {"component_code": step.code})
    path = f"/components/{body_of(created)['data']['id']}/props/sensor/options"
    pages = []
    for page in range(3):
        asked = {"configured_props": {"floors": 2}, "page": page}
        pages.append(body_of(step.caller.call("POST", path, asked))["data"]["options"])
    assert [option["value"] for page in pages for option in page] == [
        "north-0", "south-0", "north-1", "south-1",
    ]  # fmt: skip
    assert pages[1][0]["label"] == "Floor 1, north"
    assert len(step.emits(READING, sensor="living_room")) == 1
    assert step.emits(READING, sensor="attic") == []


STEPS: dict[str, Callable[[Step], None]] = {
    check.__name__: check
    for check in (smallest, props, timer, dedupe, endpoint, hooks, packages, account, choices)
}


def _named(**metadata: Any) -> dict[str, Any]:
    return {"name": "", **metadata}


def _request(token: str) -> dict[str, Any]:
    headers = {"x-token": token}
    body = {"readings": [READING]}
    request = {"method": "POST", "path": "/", "query": {}, "headers": headers, "body": body}
    return {**request, "bodyRaw": "{}"}


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    """Has the packages that the guide names, as far as it uses them."""
    script = (
        "exports.titleize = (text) =>"
        " text.split('_').map((w) => w[0].toUpperCase() + w.slice(1)).join(' ');"
    )
    module = "def titleize(text):\n    return text.replace('_', ' ').title()\n"
    with Serving() as serving:
        serving.npm("inflection", "3.0.2", {"index.js": script})
        serving.pip("inflection", "0.5.1", {"inflection/__init__.py": module})
        yield serving


@pytest.fixture
def alice(told: Any, started: Worker, transactional_db: None) -> Iterator[Api]:
    """A caller beside a worker that works."""
    with started:
        yield make_caller("alice")


def test_every_step_is_there_in_both_languages_and_checked() -> None:
    assert EXAMPLES.keys() == {f"{name}{ending}" for name in STEPS for ending in (".py", ".js")}
    assert len(EXAMPLES) == GUIDE.count("```python") + GUIDE.count("```js")


@pytest.mark.parametrize("ending", [".py", ".js"])
@pytest.mark.parametrize("name", STEPS)
def test_the_step_does_what_the_guide_says(alice: Api, name: str, ending: str) -> None:
    STEPS[name](Step(alice, EXAMPLES[f"{name}{ending}"]))
