"""The page of a run: why it was, what it did, and running it again."""

from __future__ import annotations

from itertools import count
from typing import Any, get_args
from uuid import UUID

import orjson
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from apps.core.clock import app_now
from apps.panel.pages import event_link
from apps.panel.runs import CAUSES
from apps.runs.contract import Cause
from apps.runs.models import MailboxRow, Run
from apps.sources.models import Source
from tests.admin.operating import address, buttons, client_of, messages, operator, section, text
from tests.admin.test_admin import insert
from tests.admin.test_source_page import emit, ended
from tests.admin.walking import address as list_address
from tests.services import making

pytestmark = pytest.mark.django_db

VIEW = ("runs.view_run", "events.view_event")
OPERATE = (*VIEW, "sources.change_source")
ERROR = {"name": "TypeError", "message": "no such thing", "code": "E_GONE", "stack": "at line 7"}
NUMBERS = count(7)


@pytest.fixture
def source() -> Source:
    ada = making.user("ada")
    return making.source(ada, making.component(ada, making.TIMER), name="Weather")


@pytest.fixture
def client() -> Client:
    return client_of(operator(*OPERATE))


def now_ms() -> int:
    return int(app_now().timestamp() * 1000)


def run_of(source: Source, **columns: Any) -> Run:
    return Run.objects.get(id=ended(source, **columns))


def failed(source: Source, state: str = "dead", event: bytes = b'{"n":1}', **columns: Any) -> Run:
    """With what it left on `$errors`."""
    error = orjson.dumps(ERROR)
    run = run_of(source, state=state, error=error, **columns)
    left = b'{"original_event":%b,"original_context":{},"error":%b}' % (event, error)
    # Of one millisecond there may be several.
    emit(source, left, next(NUMBERS), run.id, channel="$errors", ms=now_ms())
    return run


def page(client: Client, run: Run) -> str:
    answer = client.get(address(run))
    assert answer.status_code == 200
    return text(answer)


def test_what_it_was(client: Client, source: Source) -> None:
    html = section(page(client, run_of(source, duration_ms=12, cause="http")), "run")
    for shown in ("succeeded", "Weather", "a request to its endpoint", "12 ms"):
        assert shown in html


def test_the_causes_are_those_of_the_contract(client: Client, source: Source) -> None:
    assert set(CAUSES) == set(get_args(Cause))
    hook = run_of(source, cause="activate", key="7")
    assert "its hook activate" in section(page(client, hook), "run")
    assert str(hook.id) in text(client.get(f"{list_address(Run)}?cause=activate"))


def test_the_error_as_text(client: Client, source: Source) -> None:
    html = section(page(client, failed(source)), "error")
    for shown in ("TypeError: no such thing", "Code: E_GONE", "at line 7"):
        assert shown in html


@pytest.mark.parametrize("error", [b"\xff\xfe", b"[1]", b'{"name":1}', b"null", b'"x"'])
def test_an_error_of_another_shape(client: Client, source: Source, error: bytes) -> None:
    page(client, run_of(source, state="failed", error=error))


def test_its_own_events_and_lines(client: Client, source: Source) -> None:
    first, second, ms = run_of(source), run_of(source, key="1:2"), now_ms()
    for n, (run, said) in enumerate(((first, "alpha"), (second, "omega"))):
        emit(source, {"said": said}, n, run.id, ms=ms)
        line = {"kind": "log", "level": "info", "msg": f"line {said}"}
        emit(source, line, n + 10, run.id, channel="$logs", ms=ms)
    emit(source, {"said": "gone"}, 3, first.id, ms=ms, deleted_at=app_now())
    html = page(client, first)
    assert "alpha" in section(html, "events-it-emitted")
    assert "info: line alpha" in section(html, "log-lines")
    assert "omega" not in html
    assert "gone" not in html


def test_events_of_a_busy_source_are_looked_through_to_a_bound(
    client: Client, source: Source
) -> None:
    run, ms = run_of(source), now_ms()
    page(client, run)
    with CaptureQueriesContext(connection) as before:
        page(client, run)
    for n in range(60):
        emit(source, {"n": n}, n, ms=ms)
    emit(source, {"said": "mine"}, 61, run.id, ms=ms)
    with CaptureQueriesContext(connection) as after:
        assert "mine" in section(page(client, run), "events-it-emitted")
    assert len(after) == len(before)


def test_the_event_that_caused_it(client: Client, source: Source) -> None:
    emitter = making.source(source.owner, name="Emitter")
    emit(emitter, {"x": 1}, 4, channel="alarms", ms=99)
    run = run_of(source, cause="event", key=f"{emitter.id}:99-4:0")
    html = section(page(client, run), "caused-by")
    assert "Emitter" in html
    assert event_link(emitter.id, "alarms", 99, 4) in html
    lost = run_of(source, cause="event", key=f"{emitter.id}:99-5:0")
    assert "99-5" in section(page(client, lost), "caused-by")


def test_the_answer_of_its_request(source: Source) -> None:
    run = run_of(source, cause="http")
    insert("http_response", run_id=run.id, status=418, body=b"", created_at=app_now())
    may_see = client_of(operator("runs.view_run", "runs.view_httpresponse"))
    assert "418" in section(page(may_see, run), "http-answer")


def test_who_may_not_look_at_events_sees_none(source: Source) -> None:
    run = failed(source, event=b'{"said":"private"}')
    html = page(client_of(operator("runs.view_run")), run)
    assert "private" not in html
    assert "hw-log-lines" not in html
    assert buttons(html) == []
    assert client_of(operator("events.view_event", name="eve")).get(address(run)).status_code == 403


# --- running it again -------------------------------------------------------------------------


def queued() -> list[tuple[str, bytes]]:
    return [(row.key, bytes(row.payload or b"")) for row in MailboxRow.objects.order_by("id")]


@pytest.mark.parametrize("state", ["dead", "failed"])
def test_it_runs_again_with_its_event(client: Client, source: Source, state: str) -> None:
    run = failed(source, state)
    assert buttons(page(client, run)) == ["Run again"]
    assert "Event it was given" in page(client, run)
    answer = client.post(address(run, "rerun"), {"once": "a" * 32}, follow=True)
    assert "in the mailbox once more, as run" in messages(text(answer))
    [(key, payload)] = queued()
    assert key.startswith(f"{run.key}:again:")
    assert payload == b'{"n":1}'


def test_one_press_is_one_run(client: Client, source: Source) -> None:
    run = failed(source)
    for once in ("a" * 32, "a" * 32, "b" * 32):
        client.post(address(run, "rerun"), {"once": once})
    assert len(queued()) == 2


def test_what_did_not_fail_is_not_run_again(client: Client, source: Source) -> None:
    run = run_of(source)
    assert buttons(page(client, run)) == []
    answer = client.post(address(run, "rerun"), follow=True)
    assert "only a run that is dead or failed" in messages(text(answer))
    assert queued() == []


@pytest.mark.parametrize("state", ["inactive", "deleted"])
def test_a_source_that_does_not_run(client: Client, source: Source, state: str) -> None:
    run = failed(source)
    Source.objects.filter(id=source.id).update(state=state)
    answer = client.post(address(run, "rerun"), follow=True)
    assert ("activate it first" if state == "inactive" else "not found") in messages(text(answer))
    assert queued() == []


def test_rerun_is_a_post_of_one_who_may(source: Source, client: Client) -> None:
    run = failed(source)
    viewer = client_of(operator(*VIEW, name="vera"))
    assert buttons(page(viewer, run)) == []
    assert viewer.post(address(run, "rerun")).status_code == 403
    assert client.get(address(run, "rerun")).status_code == 405
    strict = client_of(operator(*OPERATE, name="otto"), enforce_csrf_checks=True)
    assert strict.post(address(run, "rerun")).status_code == 403
    assert queued() == []


def test_several_of_the_list(client: Client, source: Source) -> None:
    good = run_of(source)
    dead = [failed(source, key=f"1:{n}") for n in range(3)]
    chosen: list[UUID] = [good.id, *(run.id for run in dead[:2])]
    data = {"action": "rerun_chosen", "_selected_action": chosen}
    answer = client.post(list_address(Run), data, follow=True)
    said = messages(text(answer))
    assert "2 runs are in their mailboxes" in said
    assert f"{good.id}: only a run that is dead or failed" in said
    assert len(queued()) == 2
    viewer = client_of(operator(*VIEW, name="vera"))
    assert "rerun_chosen" not in text(viewer.get(list_address(Run)))
    viewer.post(list_address(Run), data)
    assert len(queued()) == 2


def test_a_user_of_the_owner_is_not_needed(client: Client, source: Source) -> None:
    """An operator runs again what another's source did, also when that one is switched off."""
    run = failed(source)
    User.objects.filter(id=source.owner_id).update(is_active=False)
    client.post(address(run, "rerun"))
    assert len(queued()) == 1
