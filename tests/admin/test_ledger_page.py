"""The ledger as an audit log: found by kind, actor, source and time; read without secrets."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.core.clock import app_now
from apps.panel import ledger
from apps.runs import lifecycle
from apps.runs.lifecycle import Changes
from apps.sources.models import Source, SourceChange
from tests.admin import plans
from tests.admin.operating import address, buttons, client_of, messages, operator, section, text
from tests.admin.walking import address as list_address
from tests.services import making

pytestmark = pytest.mark.django_db

LIST = list_address(SourceChange)
SECRET = {"name": "token", "type": "string", "secret": True}
CITY = {"name": "city", "type": "string"}
OPERATOR = "u_0perat"


@pytest.fixture
def source() -> Source:
    ada = making.user("ada")
    made_of = making.component(ada, SECRET, CITY)
    configured = {"token": "hunter22", "city": "Ulm"}
    made = making.source(ada, made_of, name="Weather", configured_props=configured)
    lifecycle.update(made, Changes(configured_props={"city": "Bonn"}), OPERATOR)
    lifecycle.update(fresh(made), Changes(active=False), OPERATOR)
    return fresh(made)


@pytest.fixture
def client() -> Client:
    return client_of(operator("sources.view_sourcechange"))


def fresh(source: Source) -> Source:
    return Source.objects.select_related("component", "owner").get(id=source.id)


def change(source: Source, version: int) -> SourceChange:
    return source.changes.get(version=version)


def shown(client: Client, query: str) -> list[str]:
    """The kinds that the list shows, newest first."""
    answer = client.get(f"{LIST}?{query}")
    assert answer.status_code == 200
    rows = answer.context["cl"].result_list
    return [str(row.kind) for row in rows]


def test_it_is_filtered(client: Client, source: Source) -> None:
    everything = ["deactivated", "props_changed", "deployed"]
    other = making.source(source.owner, name="Other")
    SourceChange.objects.filter(source=other).update(at=app_now() - timedelta(days=30))
    assert shown(client, "") == [*everything, "deployed"]
    assert shown(client, f"source__id__exact={source.id}") == everything
    assert shown(client, f"actor__exact={OPERATOR}") == everything[:2]
    assert shown(client, f"actor__exact={OPERATOR}&kind=deactivated") == ["deactivated"]
    assert shown(client, f"actor__exact=+{OPERATOR}+&source__id__exact={other.id}") == []
    assert shown(client, f"q={OPERATOR}") == everything[:2]
    assert shown(client, "kind=props_changed") == ["props_changed"]
    day = (app_now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    assert shown(client, f"at__gte={day}") == everything
    assert shown(client, f"at__lt={day}") == ["deployed"]
    assert shown(client, f"at__gte={day}&at__lt={day}") == []
    assert shown(client, "since=1h") == everything


@pytest.mark.parametrize(
    "query", ["at__gte=yesterday", "actor__exact=%00", "at__lt=2026-13-01T00:00"]
)
def test_what_cannot_be_read_is_said(client: Client, source: Source, query: str) -> None:
    answer = client.get(f"{LIST}?{query}")
    assert answer.status_code == 302
    assert answer["location"].endswith("?e=1")


def test_a_form_of_fields_keeps_what_is_chosen(client: Client, source: Source) -> None:
    html = text(client.get(f"{LIST}?kind=deployed&actor__exact={OPERATOR}&q=x"))
    form = html[html.index('id="filter-form"') :]
    form = form[: form.index("</form>")]
    assert form.count('name="kind"') == form.count('name="actor__exact"') == 1
    assert '<input type="hidden" name="kind" value="deployed">' in form
    assert f'value="{OPERATOR}"' in form
    assert "<label" in form
    assert 'for="filter_actor__exact"' in form


def test_filters_together_read_little(source: Source) -> None:
    """By actor and kind: along the actor's index, the newest alone are looked through."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO sources_sourcechange (source_id, version, kind, actor, at, data)"
            " SELECT %s, n, 'renamed', CASE WHEN n %% 10 = 0 THEN %s ELSE 'u_others' END,"
            " now() - n * interval '1 minute', '{}' FROM generate_series(10, 6000) AS n",
            [source.id, OPERATOR],
        )
        cursor.execute("ANALYZE sources_sourcechange")
    client = client_of(operator("sources.view_sourcechange"))
    for query in (
        f"actor__exact={OPERATOR}",
        f"actor__exact={OPERATOR}&kind=props_changed",
        "actor__exact=u_nobody",
        f"actor__exact={OPERATOR}&at__gte={(app_now() - timedelta(hours=1)):%Y-%m-%dT%H:%M}",
    ):
        plan = plans.worst(partial(client.get, f"{LIST}?{query}"))
        assert plan.rows <= 1_300, f"{query}\n{plan.text}"


def test_who_did_what_when(source: Source) -> None:
    client = client_of(operator("sources.view_sourcechange", "accounts.view_user"))
    html = text(client.get(address(change(source, 1))))
    about = section(html, "change")
    for expected in ("Weather", "Deployed", f"ada ({source.owner_id})", "v2"):
        assert expected in about
    # Names of people are for those who may look at people.
    unnamed = client_of(operator("sources.view_sourcechange", name="otto"))
    assert "ada (" not in section(text(unnamed.get(address(change(source, 1)))), "change")


def test_what_it_was_before(client: Client, source: Source) -> None:
    row = section(text(client.get(address(change(source, 2)))), "what-was-set")
    assert row.index("Ulm") < row.index("Bonn")
    row = section(text(client.get(address(change(source, 3)))), "what-was-set")
    assert row.index("active") < row.index("inactive")


def test_no_secret_but_its_name(client: Client, source: Source) -> None:
    stored = change(source, 1).data["secret_props"]["token"]
    for version in (1, 2, 3):
        html = text(client.get(address(change(source, version))))
        assert stored not in html
        assert "hunter22" not in html
    assert "1 sealed: token" in text(client.get(address(change(source, 1))))


def test_values_of_before_are_looked_for_to_a_bound(
    client: Client, source: Source, monkeypatch: Any
) -> None:
    monkeypatch.setattr(ledger, "LOOKED_BACK", 1)
    page = address(change(source, 3))
    client.get(page)
    with CaptureQueriesContext(connection) as asked:
        assert "inactive" in text(client.get(page))
    walked = [query["sql"] for query in asked if '"version" < 3' in query["sql"]]
    assert len(walked) == 1
    assert "LIMIT 1" in walked[0]


def test_nobody_changes_it(source: Source) -> None:
    entry = change(source, 1)
    user = operator("sources.view_sourcechange", "sources.change_sourcechange", name="olaf")
    html = text(client_of(user).get(address(entry)))
    assert buttons(html) == []
    assert client_of(user).post(address(entry), {"kind": "deleted"}).status_code == 403
    blind = client_of(operator("sources.view_source", name="bea"))
    assert blind.get(address(entry)).status_code == 403
    assert blind.get(LIST).status_code == 403
    assert messages(html)
