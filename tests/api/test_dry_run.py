"""POST /components/dry_run: REST specification, index row 30."""

from __future__ import annotations

import base64
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, connections
from django.http import HttpResponse

from apps.accounts import services as accounts
from apps.components.models import Component
from apps.core.errors import ApiError
from apps.events.models import Event
from apps.runs import describing, queue, rehearsal
from apps.runs.models import Operation
from apps.sources.models import Source
from tests.api.conftest import Api, assert_error, body_of
from tests.api.worker import Worker
from tests.services import making

pytestmark = pytest.mark.django_db(transaction=True)

PYTHON = """
from headwater import *

class Feed(Source):
    name = "Feed"
    dedupe = "unique"
    url = StringProp(default="https://example.org/")
    token = StringProp(secret=True, optional=True)
    limit = IntegerProp(optional=True, max=10)
    db = Store()
    http = Http(custom_response=True)

    def run(self, event):
RUN

    def on_deploy(self):
        self.emit([self.url, self.http.endpoint])
"""
JAVASCRIPT = """
export default {
  name: "Feed",
  props: { db: "$.service.db", timer: "$.interface.timer" },
  hooks: { async activate() { this.db.set("hook", this.timer.interval_seconds); } },
  async run(event) {
    const count = (this.db.get("count") || 0) + 1;
    this.db.set("count", count);
    console.log("counted", count);
    this.$emit({ count, event }, { id: count, summary: `count ${count}`, name: "other" });
  },
};
"""
NOTHING: dict[str, Any] = {
    "emits": [], "suppressed": [], "logs": [], "db": {}, "response": None, "error": None,
}  # fmt: skip


def code(run: str = "pass") -> str:
    return PYTHON.replace("RUN", "\n".join(f"        {line}" for line in run.splitlines()))


def dry_run(caller: Api, run: str | None = None, **body: Any) -> HttpResponse:
    if run is not None:
        body["component_code"] = code(run)
    return caller.call("POST", "/components/dry_run", body)


def ran(caller: Api, run: str | None = None, **body: Any) -> dict[str, Any]:
    response = dry_run(caller, run, **body)
    assert response.status_code == 200, response.content
    data: dict[str, Any] = body_of(response)["data"]
    assert isinstance(data.pop("duration_ms"), int)
    return data


def test_30_what_javascript_would_emit_log_and_store(worker: Worker, alice: Api) -> None:
    data = ran(alice, component_code=JAVASCRIPT, event={"a": 1}, db={"count": 41, "kept": [1]})
    [line] = data.pop("logs")
    assert isinstance(line.pop("ts"), int)
    assert line == {"level": "info", "msg": "counted 42"}
    assert data == {
        **{name: value for name, value in NOTHING.items() if name != "logs"},
        "emits": [
            {
                "event": {"count": 42, "event": {"a": 1}},
                "metadata": {"name": "other", "id": 42, "summary": "count 42"},
            }
        ],
        "db": {"count": 42, "kept": [1]},
    }


def test_30_suppressed_as_by_a_first_run(worker: Worker, alice: Api) -> None:
    data = ran(alice, "for id in (1, 2, 1): self.emit(id, id=id)\nself.emit('none')")
    assert [emit["event"] for emit in data["emits"]] == [1, 2]
    assert data["suppressed"] == [
        {"event": 1, "metadata": {"name": "", "id": 1}, "reason": "seen"},
        {"event": "none", "metadata": {"name": ""}, "reason": "missing_id"},
    ]
    assert [line["msg"] for line in data["logs"]] == ["1 events without an id were not emitted"]


def test_30_props_are_configured_and_secrets_masked(worker: Worker, alice: Api) -> None:
    props = {"token": "s3cret", "limit": "3"}
    run = "print(self.token)\nself.emit([self.url, self.limit, len(self.token)], id=1)"
    data = ran(alice, run, configured_props=props)
    assert data["emits"][0]["event"] == ["https://example.org/", 3, 6]
    assert data["logs"][0]["msg"] == "***"


def test_30_an_error_is_an_answer_with_what_was_done_before_it(worker: Worker, alice: Api) -> None:
    data = ran(alice, "self.emit(1, id=1)\nself.db.set('a', 1)\nraise ValueError('no')")
    assert data["emits"][0]["event"] == 1
    assert data["db"] == {"a": 1}
    assert data["error"]["name"] == "ValueError"
    assert data["error"]["message"] == "no"
    assert "in run" in data["error"]["stack"]


def test_30_an_endless_run_ends_at_the_time_of_a_hook(worker: Worker, alice: Api) -> None:
    data = ran(alice, "self.emit(1, id=1)\nwhile True: pass")
    assert data["error"]["name"] == "Timeout"
    assert len(data["emits"]) == 1


@pytest.mark.parametrize(
    ("body", "shown", "encoding"),
    [
        ("'é'", "é", "text"),
        ("{'a': 1}", '{"a":1}', "text"),
        ("b'\\xff'", base64.b64encode(b"\xff").decode(), "base64"),
    ],
)
def test_30_the_response(worker: Worker, alice: Api, body: str, shown: str, encoding: str) -> None:
    run = f"self.http.respond(status=201, body={body})\nself.http.respond(status=500)"
    response = ran(alice, run)["response"]
    assert response["status"] == 201
    assert (response["body"], response["encoding"]) == (shown, encoding)


def test_30_a_hook_and_an_endpoint_behind_which_there_is_nothing(
    worker: Worker, alice: Api
) -> None:
    data = ran(alice, "self.emit('run')", hook="deploy")
    assert data["suppressed"][0]["event"][0] == "https://example.org/"
    assert "/h/" in data["suppressed"][0]["event"][1]
    assert not Source.objects.exists()
    data = ran(alice, component_code=JAVASCRIPT, hook="activate")
    assert data == {**NOTHING, "db": {"hook": 3600}}


@pytest.mark.parametrize("event", [None, "text", [1], {"headers": {}}])
def test_30_any_event(worker: Worker, alice: Api, event: Any) -> None:
    assert ran(alice, "self.emit(event, id=1)", event=event)["emits"][0]["event"] == event


def test_30_without_an_event_it_is_a_manual_run(worker: Worker, alice: Api) -> None:
    assert ran(alice, "self.emit(event, id=1)")["emits"][0]["event"] == {}


def test_f13_payloads_keep_their_bytes(worker: Worker, alice: Api) -> None:
    response = dry_run(
        alice, "self.emit({'n': 10**30, 's': '\\ud800'}, id=1)\nself.emit(1.0, id=2)"
    )
    assert b'"event":{"n":1000000000000000000000000000000,"s":"\\ud800"}' in response.content
    assert b'"event":1.0' in response.content


def test_30_saved_components_own_and_of_the_registry(worker: Worker, alice: Api) -> None:
    url, run = {"name": "url", "type": "string"}, code("self.emit(self.url, id=1)")
    own, shared = (making.component(owner, url, code=run) for owner in (alice.user, None))
    for saved in (own, shared):
        data = ran(alice, component_id=saved.id, configured_props={"url": "u"})
        assert data["emits"][0]["event"] == "u"


def test_30_the_id_wins_over_the_code(worker: Worker, alice: Api) -> None:
    saved = making.component(alice.user, code=code("self.emit('saved', id=1)"))
    data = ran(alice, "self.emit('given', id=1)", component_id=saved.id)
    assert [emit["event"] for emit in data["emits"]] == ["saved"]


def test_30_nothing_is_stored_and_it_counts_as_an_invocation(worker: Worker, alice: Api) -> None:
    before = accounts.usage_today(alice.user).invocations
    ran(alice, "self.emit(1, id=1)\nself.db.set('a', 1)")
    assert accounts.usage_today(alice.user).invocations == before + 1
    for model in (Component, Source, Event, Operation):
        assert not model.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT (SELECT count(*) FROM run) + (SELECT count(*) FROM mailbox)")
        assert cursor.fetchone() == (0,)


def test_30_include_and_exclude(worker: Worker, alice: Api) -> None:
    response = alice.call(
        "POST", "/components/dry_run?include=emits,db", {"component_code": code()}
    )
    assert set(body_of(response)["data"]) == {"emits", "db"}


def test_code_that_does_not_load_is_refused_as_by_creation(worker: Worker, alice: Api) -> None:
    before = accounts.usage_today(alice.user).invocations
    body = assert_error(dry_run(alice, component_code="class A(:"), 400, code="syntax_error")
    assert body["details"]["line"] == 1
    assert_error(dry_run(alice, component_code="x = 1/0"), 400, code="load_failed")
    assert_error(
        dry_run(alice, component_code=JAVASCRIPT, language="python"), 400, code="syntax_error"
    )
    assert accounts.usage_today(alice.user).invocations == before


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"configured_props": {"limit": 11}}, "configured_props.limit"),
        ({"configured_props": {"nothing": 1}}, "configured_props.nothing"),
        ({"configured_props": {"url": 1}}, "configured_props.url"),
        ({"hook": "activate"}, "hook"),
    ],
)
def test_what_only_the_loaded_code_shows_names_the_parameter_too(
    worker: Worker, alice: Api, body: Any, parameter: str
) -> None:
    response = dry_run(alice, "pass", **body)
    assert assert_error(response, 400)["details"]["parameter"] == parameter


def test_a_dry_run_whose_worker_died_is_not_repeated(alice: Api, started: Worker) -> None:
    """Whatever it did outside has been done once."""
    wanted = rehearsal.Wanted(None, code("self.emit(1, id=1)"), None, {}, {}, {}, None)
    operation = rehearsal.start(alice.user, wanted)
    Operation.objects.filter(id=operation.id).update(state="running", attempt=1)
    with started:
        assert async_to_sync(queue.wait_operation)(operation.id, 30)
    with pytest.raises(ApiError) as refused:
        rehearsal.conclude(operation.id)
    assert (refused.value.status, refused.value.code) == (503, "worker_lost")


def test_dry_runs_that_sleep_delay_no_describing(worker: Worker, alice: Api) -> None:
    """Four places for each kind, two of one owner: the others' stay free."""
    with ThreadPoolExecutor(3) as pool:
        # Until their time is over.
        sleeping = [pool.submit(_sleep, alice, 60) for _ in range(2)]
        _running(2)
        waiting = pool.submit(_sleep, alice, 0)
        _running(1, state="queued")
        response = alice.call("POST", "/components", {"component_code": code("pass")})
        assert response.status_code == 200
        states = Operation.objects.filter(kind="dry_run").values_list("state", flat=True)
        assert sorted(states) == ["queued", "running", "running"]
        for each in sleeping:
            assert each.result()["error"]["name"] == "Timeout"
        assert waiting.result()["error"] is None


def _sleep(caller: Api, seconds: int) -> dict[str, Any]:
    try:
        return ran(caller, f"import time\ntime.sleep({seconds})")
    finally:
        connections.close_all()


def _running(count: int, kind: str = "dry_run", state: str = "running") -> None:
    deadline = time.monotonic() + 30
    while Operation.objects.filter(kind=kind, state=state).count() < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_g7_a_worker_that_stops_gives_back_what_it_has_not_ended(
    alice: Api, started: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(started, "grace_seconds", 0.1)
    sleeping = "import time\ntime.sleep(4)\n"
    wanted = rehearsal.Wanted(None, code(sleeping), None, {}, {}, {}, None)
    with started:
        run = rehearsal.start(alice.user, wanted)
        loading = describing.start_create(alice.user, code=sleeping, language="python")
        for kind in ("dry_run", "describe"):
            _running(1, kind)
    loading.refresh_from_db()
    assert (loading.state, loading.attempt) == ("queued", 0)
    with pytest.raises(ApiError) as refused:
        rehearsal.conclude(run.id)
    assert (refused.value.status, refused.value.code) == (503, "worker_stopped")
