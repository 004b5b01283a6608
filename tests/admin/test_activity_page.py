"""Activity in the panel: found by who, what of and when; one for each run of a bulk action."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client

from apps.accounts.models import User
from apps.core.clock import app_now
from apps.panel.pages import link
from apps.runs.models import MailboxRow, Run
from apps.sources import activity
from apps.sources.models import Activity, Source, SourceChange
from apps.subscriptions.models import Webhook
from tests.admin import plans
from tests.admin.operating import address, client_of, messages, operator, section, text
from tests.admin.test_run_page import OPERATE, failed
from tests.admin.walking import address as list_address
from tests.services import making

pytestmark = pytest.mark.django_db

LIST = list_address(Activity)


@pytest.fixture
def ada() -> User:
    return making.user("ada")


@pytest.fixture
def source(ada: User) -> Source:
    return making.source(ada, making.component(ada, making.TIMER), name="Weather")


@pytest.fixture
def olga() -> User:
    looking = ("sources.view_source", "sources.view_activity", "runs.view_mailboxrow")
    return operator(*OPERATE, *looking)


@pytest.fixture
def client(olga: User) -> Client:
    return client_of(olga)


def shown(client: Client, query: str = "") -> list[str]:
    """The kinds that the list shows, newest first."""
    answer = client.get(f"{LIST}?{query}")
    assert answer.status_code == 200
    return [str(row.kind) for row in answer.context["cl"].result_list]


def test_what_an_operator_sets_going(client: Client, source: Source, olga: User) -> None:
    run = failed(source)
    client.post(address(source, "run-now"), {"once": "a" * 32})
    client.post(address(run, "rerun"), {"once": "b" * 32})
    found = list(Activity.objects.order_by("id"))
    assert [(one.kind, one.subject_id, one.actor) for one in found] == [
        ("run_now", source.id, olga.id), ("rerun", source.id, olga.id),
    ]  # fmt: skip
    assert found[1].data == {"run": str(run.id)}
    html = section(text(client.get(address(source))), "activity")
    for said in ("ran it", "ran again what failed", olga.id, str(run.id), str(found[1].run_id)):
        assert said in html


def test_of_a_bulk_action_each_run_has_an_entry(client: Client, source: Source) -> None:
    runs = [failed(source, key=f"1:{n}") for n in range(3)]
    chosen = [run.id for run in runs]
    client.post(list_address(Run), {"action": "rerun_chosen", "_selected_action": chosen})
    told = {(activity.kind, activity.data["run"]) for activity in Activity.objects.all()}
    assert told == {("rerun", str(run.id)) for run in runs}


def test_it_is_filtered(client: Client, source: Source, ada: User, olga: User) -> None:
    activity.note(activity.Kind.RUN_NOW, source.id, ada.id, run_id=uuid4())
    Activity.objects.update(at=app_now() - timedelta(days=2))
    of_run = uuid4()
    activity.note(activity.Kind.RERUN, source.id, olga.id, run_id=of_run, run=str(uuid4()))
    activity.note(activity.Kind.REDELIVERY, "wh_gone", olga.id, replay="rd_x", deliveries=1_200)
    assert shown(client) == ["redelivery", "rerun", "run_now"]
    assert shown(client, "since=1d") == ["redelivery", "rerun"]
    assert shown(client, "kind=rerun") == ["rerun"]
    assert shown(client, f"subject_id__exact={source.id}") == ["rerun", "run_now"]
    assert shown(client, "q=wh_gone") == ["redelivery"]
    assert shown(client, f"q={olga.id}") == ["redelivery", "rerun"]
    assert shown(client, f"actor__exact={olga.id}&kind=rerun") == ["rerun"]
    assert shown(client, f"q={of_run}") == ["rerun"]
    assert "1,200 deliveries, all that were dead" in messages(text(client.get(LIST)))


def test_its_page_and_the_webhooks(source: Source, ada: User) -> None:
    hook = Webhook.objects.create(owner=ada, url="https://example.org/", secret=[])
    kinds = activity.Kind
    activity.note(kinds.REDELIVERY, hook.id, ada.id, replay="rd_x", deliveries=2, ids=[5, 6])
    activity.note(
        kinds.REPLAY, source.id, ada.id, replay="rp_x", events=7, listeners=2, channel="paid",
        start="5-0",
    )  # fmt: skip
    looking = ("sources.view_activity", "accounts.view_user", "subscriptions.view_webhook")
    client = client_of(operator(*looking))
    sent, replayed = Activity.objects.order_by("id")
    html = section(text(client.get(address(sent))), "activity")
    for said in ("2 deliveries, chosen", f"ada ({ada.id})", "rd_x", ">5</a>, ", ">6</a>"):
        assert said in html
    html = section(text(client.get(address(replayed))), "activity")
    for said in ("7 events to 2 listeners", "rp_x", "paid", "5-0"):
        assert said in html
    assert "2 deliveries, chosen" in section(text(client.get(address(hook))), "activity")


def test_a_run_names_who_asked_for_it(client: Client, source: Source, olga: User) -> None:
    first = failed(source)
    again = failed(source, key=f"{first.key}:again:000000000000")
    activity.note(activity.Kind.RERUN, source.id, olga.id, run_id=again.id, run=str(first.id))
    html = section(text(client.get(address(again))), "run")
    assert olga.id in html
    assert link(first.id, address(first)) in html
    blind = client_of(operator("runs.view_run", name="bea"))
    assert olga.id not in section(text(blind.get(address(again))), "run")


def test_the_ledger_and_the_activity_lie_beside_each_other(source: Source) -> None:
    client = client_of(operator("sources.view_sourcechange", "sources.view_activity"))
    for here, other in ((SourceChange, Activity), (Activity, SourceChange)):
        html = text(client.get(list_address(here)))
        tabs = html[html.index('id="tabs-items"') :]
        assert f'href="{list_address(other)}"' in tabs[: tabs.index("</nav>")]
    changes_alone = client_of(operator("sources.view_sourcechange", name="otto"))
    assert LIST not in text(changes_alone.get(list_address(SourceChange)))
    assert changes_alone.get(LIST).status_code == 403


def test_nobody_changes_them(client: Client, source: Source) -> None:
    activity.note(activity.Kind.RUN_NOW, source.id, "u_ada", run_id=uuid4())
    entry = Activity.objects.get()
    assert client.post(address(entry), {"actor": "u_other"}).status_code == 403
    assert client.post(address(entry, "delete"), {"post": "yes"}).status_code == 403
    assert Activity.objects.get().actor == "u_ada"


def test_filters_together_read_little(client: Client, source: Source) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO sources_activity (kind, subject_id, actor, at, data)"
            " SELECT 'replay', 'dc_' || n % 500, 'u_' || n % 10, now() - n * interval '1 minute',"
            ' \'{"events":1,"listeners":1}\' FROM generate_series(1, 6000) AS n'
        )
        cursor.execute("ANALYZE sources_activity")
    for query in ("actor__exact=u_7", "q=dc_7", "actor__exact=u_7&kind=rerun", "q=u_nobody"):
        plan = plans.worst(partial(client.get, f"{LIST}?{query}"))
        assert plan.rows <= 1_300, f"{query}\n{plan.text}"


# --- runs that wait -------------------------------------------------------------------------------


def asked() -> UUID:
    """The run of the one activity."""
    run_id = Activity.objects.get().run_id
    assert run_id is not None
    return run_id


@pytest.mark.parametrize("asked_for", [True, False], ids=["by a person", "by its timer"])
def test_a_run_that_waits_has_a_page(client: Client, source: Source, asked_for: bool) -> None:
    client.post(address(source, "run-now"), {"once": "a" * 32})
    run_id = asked()
    if not asked_for:
        Activity.objects.all().delete()
    row = MailboxRow.objects.get()
    for where in (address(Run(id=run_id)), f"{list_address(Run)}?q={run_id}"):
        answer = client.get(where, follow=True)
        html = text(answer)
        assert f"Run {run_id} has not ended" in messages(html)
        facts = section(html, "waiting-run")
        for said in (str(run_id), "waits for a worker", "Weather", f"{row.queued_at:%H:%M:%S}"):
            assert said in facts


def test_a_run_that_never_was(client: Client, source: Source) -> None:
    unknown = uuid4()
    answer = client.get(address(Run(id=unknown)), follow=True)
    assert f"“{unknown}” doesn’t exist" in text(answer)
    assert client.get(f"{list_address(Run)}?q={unknown}").status_code == 200


def test_who_may_not_look_at_mailboxes_is_told_nothing(client: Client, source: Source) -> None:
    client.post(address(source, "run-now"), {"once": "a" * 32})
    run_id = asked()
    blind = client_of(operator("runs.view_run", name="bea"))
    assert source.id not in text(blind.get(address(Run(id=run_id)), follow=True))
    stranger = client_of(operator("runs.view_mailboxrow", name="eve"))
    assert stranger.get(f"{list_address(Run)}?q={run_id}").status_code == 403
