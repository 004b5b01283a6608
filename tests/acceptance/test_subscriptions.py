"""Sources that listen to each other, on a stack started as a user starts it, all over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.making import until
from tests.processes import ROOT, Running

EMITTER = """
from headwater import Source, Store


class Numbers(Source):
    name = "Numbers"
    version = "0.0.1"
    dedupe = "unique"
    db = Store()

    def run(self, event):
        count = self.db.get("count", 0) + 1
        self.db.set("count", count)
        self.emit({"number": count}, id=count)
        self.emit({"number": 0}, id="always the same")
        if event.get("fail"):
            raise ValueError("as asked")
"""
LISTENER = """
from headwater import Source


class Squares(Source):
    name = "Squares"
    version = "0.0.1"

    def run(self, event):
        self.emit({"square": event["number"] ** 2} if "number" in event else {"heard": True})
"""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with Running(tmp_path_factory.mktemp("stack"), root=ROOT) as running:
        with running.ready().client() as client:
            yield client


def deploy(api: httpx.Client, code: str) -> str:
    answer = api.post("/sources", json={"component_code": code, "language": "python"})
    assert answer.status_code == 200, answer.text
    source_id: str = answer.json()["data"]["id"]
    return source_id


def events(api: httpx.Client, source_id: str) -> list[Any]:
    """Payloads of the default channel, oldest first."""
    answer = api.get(f"/sources/{source_id}/event_summaries", params={"limit": 100})
    return [item["event"] for item in answer.json()["data"]][::-1]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_subscribe_run_replay_and_why_not(api: httpx.Client) -> None:
    emitter, listener, watcher = deploy(api, EMITTER), deploy(api, LISTENER), deploy(api, LISTENER)
    parties = {"emitter_id": emitter, "listener_id": listener}
    assert api.post("/subscriptions", params=parties).status_code == 200
    watch = {"emitter_id": "dc_*", "listener_id": watcher, "event_name": "$errors"}
    assert api.post("/subscriptions", params=watch).status_code == 200

    for number in range(1, 4):
        assert api.post(f"/sources/{emitter}/run", json={"fail": number == 3}).status_code == 202
        until(lambda n=number: len(events(api, emitter)) > n, 60, "the run")  # type: ignore[misc]
    until(lambda: len(events(api, listener)) == 4, 60, "the listener's runs")
    assert events(api, listener) == [{"square": n} for n in (1, 0, 4, 9)]
    until(lambda: events(api, watcher) == [{"heard": True}], 60, "the error's listener")

    causes = {run["cause"] for run in api.get(f"/sources/{listener}/runs").json()["data"]}
    assert causes == {"event"}
    [held] = api.get(f"/sources/{emitter}/suppressed").json()["data"]
    assert (held["id"], held["reason"], held["count"]) == ("always the same", "seen", 2)
    assert "matched_event_id" in held

    answer = api.post(f"/sources/{emitter}/replay", json={"listener_id": listener})
    assert answer.status_code == 202
    assert answer.json()["data"]["events"] == 4
    until(lambda: len(events(api, listener)) == 8, 60, "the replay")
    assert events(api, listener)[4:] == events(api, listener)[:4]

    [failed] = [r for r in api.get(f"/sources/{emitter}/runs").json()["data"] if r["error"]]
    assert api.post(f"/runs/{failed['id']}/rerun").status_code == 202
    until(lambda: len(events(api, emitter)) == 5, 60, "the run that was asked for again")
    assert api.delete("/subscriptions", params=parties).status_code == 204
    assert api.delete("/subscriptions", params=parties).status_code == 404
