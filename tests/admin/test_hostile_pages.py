"""Whatever strangers stored, the pages of sources, runs and the ledger show it as text, and cut."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from django.db import connection
from django.test import Client

from apps.core.clock import app_now
from apps.runs.models import Run
from apps.sources.models import Source
from tests.admin.operating import address, client_of, operator, text
from tests.admin.test_admin import insert
from tests.admin.test_source_page import emit, ended
from tests.services import making

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert(1)</script>"
# As JSON texts of strings and more, such as a child or a request may leave in the database.
PAYLOADS = {
    "html": orjson.dumps(f"{SCRIPT}<img src=x onerror=alert(2)>\"'{{{{ 7|add:35 }}}}"),
    "bidi": orjson.dumps("a\u202egpj.exe\u2066b\u200f"),
    "controls": rb'"a\u0000b\u001b[31mc\u0085"',
    "lone-surrogate": rb'"a\ud800b"',
    "other-half": rb'"\udfff"',
    "half-a-megabyte": b'"' + b"<x" * 262_144 + b'"',
    "deep": b"[" * 20_000 + b"]" * 20_000,
    "wide": b"[" + b"0," * 200_000 + b"0]",
    "no-json": b"\xff\xfe\x00<b>\xed\xa0\x80",
    "big-number": b"1" + b"0" * 5_000,
    "empty": b"",
}
# What a page may never have in it: unseen, or turning what follows.
FORBIDDEN = (
    "\0",
    "\x1b",
    "\x85",
    "\u202e",
    "\u2066",
    "\u200f",
    "\ud800",
    SCRIPT,
    "<img src=x",
    "<b>",
)
LONGEST = 1_000_000
PAGES = ("change", "props", "replay", "version", "remove", "tail")


@pytest.fixture(params=PAYLOADS.values(), ids=list(PAYLOADS))
def payload(request: pytest.FixtureRequest) -> bytes:
    found: bytes = request.param
    return found


@pytest.fixture
def source(payload: bytes) -> Source:
    """Of a stranger who put it wherever it can stand."""
    ada = making.user("ada")
    props = ({"name": "p", "type": "string"}, {"name": "s", "type": "string", "secret": True})
    made_of = making.component(ada, making.TIMER, *props)
    configured = {"p": "plain", "s": "hunter22"}
    made = making.source(ada, made_of, name="Weather", configured_props=configured)
    cause = f"{made.id}:1589486981597-0:0"
    error = b'{"name":%b,"message":%b,"stack":%b,"code":%b}' % ((payload or b'""',) * 4)
    run = ended(made, cause="event", key=cause, state="dead", error=error)
    other = ended(made, cause="manual", key="x", state="failed", error=payload)
    now = app_now()
    soon = {"ms": int(now.timestamp() * 1000)}
    summary = b'{"summary":%b}' % (payload or b"0")
    for n, meta in enumerate((summary, payload)):
        emit(made, payload, n, run, meta=meta)
        emit(made, payload, n, run, meta=meta, **soon)
    left = b'{"original_event":%b,"original_context":{},"error":{}}' % (payload or b"0")
    emit(made, left, 5, run, channel="$errors", meta=b"{}", **soon)
    for n, line in enumerate(
        (b'{"kind":"log","level":"info","msg":%b}' % (payload or b'""'), payload, b"[1]", b"null")
    ):
        emit(made, line, n + 10, run, channel="$logs", **soon)
        emit(made, line, n + 20, other, channel="$logs", **soon)
    insert(
        "mailbox", source_id=made.id, cause="manual", key=SCRIPT, cause_at=now, due_at=now,
        queued_at=now, payload=payload,
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("UPDATE component_state SET store = %s, dedupe = %s", [payload, payload])
        if is_json(payload):
            data = b'{"configured_props":{"p":%b},"name":%b}' % (payload, payload)
            cursor.execute("UPDATE sources_sourcechange SET data = %s", [data])
            cursor.execute(
                "UPDATE sources_source SET configured_props = %s", [b'{"p":%b}' % payload]
            )
    return made


def is_json(payload: bytes) -> bool:
    """What the columns of JSON can hold: text that their own parser reads."""
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        return False
    return True


@pytest.fixture
def client() -> Client:
    user = operator(name="root")
    type(user).objects.filter(id=user.id).update(is_superuser=True)
    return client_of(type(user).objects.get(id=user.id))


def checked(client: Client, where: str) -> str:
    answer: Any = client.get(where)
    assert answer.status_code == 200, where
    html = text(answer)
    for bad in FORBIDDEN:
        assert bad not in html, f"{bad!r} in {where}"
    # A form has the whole of a value.
    assert where.endswith("/props/") or len(html) < LONGEST
    assert "hunter22" not in html
    return html


def test_each_page_shows_it_as_text(client: Client, source: Source) -> None:
    for what in PAGES:
        checked(client, address(source, what))
    for run in Run.objects.filter(source_id=source.id):
        checked(client, address(run))
    for change in source.changes.all():
        checked(client, address(change))


def test_a_form_that_is_sent_back_changes_nothing(client: Client, source: Source) -> None:
    """What a browser's field would lose is JSON, and reads as the same value."""
    before = Source.objects.get(id=source.id)
    form = client.get(address(source, "props")).context["form"]
    # As a browser sends it: without NUL, lines ended by CR LF, one line of a field of one line.
    data = {field.name: str(field.value() or "").replace("\0", "\ufffd") for field in form}
    client.post(address(source, "props"), data)
    after = Source.objects.get(id=source.id)
    assert after.configured_props == before.configured_props
    assert after.secret_props == before.secret_props


def test_running_it_again_breaks_on_nothing(client: Client, source: Source) -> None:
    for run in Run.objects.filter(source_id=source.id):
        answer = client.post(address(run, "rerun"), {"once": "\0"}, follow=True)
        assert answer.status_code == 200
