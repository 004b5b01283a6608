"""The dashboard tells what is so, reads little, and shows nothing that an operator may not see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import orjson
import pytest
from django.contrib.auth.models import Permission
from django.db import connection, transaction
from django.db.models import Count
from django.test import Client

from apps.accounts import services
from apps.accounts.models import User
from apps.core import admin_lists
from apps.core.clock import app_now
from apps.panel.figures import Figures
from apps.panel.seeding import Sizes
from apps.runs.models import MailboxRow, Run
from apps.sources.models import Source
from apps.subscriptions.models import Delivery
from tests.admin import plans
from tests.admin.test_lists import MOST, ROWS_ALONE

PROCESS = """
INSERT INTO process (id, kind, name, host, pid, started_at, seen_at, state, facts, metrics)
VALUES (gen_random_uuid(), 'worker', %s, 'here', 1, app_now(), app_now() - %s * interval '1 s',
        %s, '{"slots": 8, "resident_bytes": 1048576}', '{}')
"""


@pytest.fixture
def operator(seeded: Sizes) -> Iterator[User]:
    with transaction.atomic():
        made = services.create_user("staff")
        made.is_staff = True
        made.save()
        yield made
        transaction.set_rollback(True)


def permit(user: User, *codenames: str) -> None:
    """All that look at anything, when none is named."""
    wanted = {"codename__in": codenames} if codenames else {"codename__startswith": "view_"}
    user.user_permissions.set(Permission.objects.filter(**wanted))


def page(user: User) -> str:
    client = Client()
    client.force_login(user)
    answer = client.get("/admin/")
    assert answer.status_code == 200
    return answer.content.decode()


def titles(html: str) -> list[str]:
    return re.findall(r'<h2 class="hw-heading" id="[\w-]+">([^<]+)</h2>', html)


def sql(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def test_it_reads_little(operator: User, monkeypatch: Any) -> None:
    monkeypatch.setattr(admin_lists, "LOOKED_THROUGH", 500)
    permit(operator)
    sql(ROWS_ALONE)
    plan = plans.worst(lambda: page(operator))
    assert plan.whole == [], plan.text
    assert plan.rows <= MOST, plan.text


@pytest.mark.parametrize(
    "figure",
    ["runs", "events", "busiest", "failing", "mailboxes", "pending", "dead", "fanout"],
)
def test_a_figure_reads_no_more_than_its_bound(
    operator: User, monkeypatch: Any, figure: str
) -> None:
    monkeypatch.setattr(admin_lists, "LOOKED_THROUGH", 50)
    sql(ROWS_ALONE)

    def read() -> None:
        found = getattr(Figures(app_now()), figure)
        if callable(found):
            found()

    plan = plans.worst(read)
    assert plan.rows <= 50, plan.text


def test_runs_and_events_by_minute(operator: User) -> None:
    now = app_now()
    first = now.replace(second=0, microsecond=0) - timedelta(minutes=59)
    runs = Figures(now).runs()
    assert not runs.partial
    assert len(runs.at) == 60
    there = Run.objects.filter(cause_at__gte=first, cause_at__lte=now)
    for state in runs.counts:
        assert runs.total(state) == there.filter(state=state).count()
    minute = there.filter(cause_at__gte=runs.at[30], cause_at__lt=runs.at[31])
    assert sum(counts[30] for counts in runs.counts.values()) == minute.count()
    assert runs.total("succeeded") > 0


def test_of_too_many_only_whole_minutes_are_shown(operator: User, monkeypatch: Any) -> None:
    now = app_now()
    whole = Figures(now).runs()
    monkeypatch.setattr(admin_lists, "LOOKED_THROUGH", whole.total(*whole.counts) // 2)
    part = Figures(now).runs()
    assert part.partial
    assert 0 < len(part.at) < 60
    for name, counts in part.counts.items():
        assert counts == whole.counts[name][-len(part.at) :]


def test_sources_and_webhooks_in_their_order(operator: User) -> None:
    figures = Figures(app_now())
    deepest = MailboxRow.objects.values_list("source_id").annotate(n=Count("id"))
    assert list(figures.mailboxes.highest) == list(deepest.order_by("-n", "source_id")[:10])
    assert figures.mailboxes.total == MailboxRow.objects.count() > 0
    day = app_now() - timedelta(days=1)
    failing = Run.objects.filter(state__in=["failed", "dead"], cause_at__gte=day)
    counted = failing.values_list("source_id").annotate(n=Count("id")).order_by("-n", "source_id")
    assert [row[:2] for row in figures.failing()] == list(counted[:10])
    assert figures.pending.total == Delivery.objects.filter(state="pending").count() > 0
    assert figures.dead.total == Delivery.objects.filter(state="dead").count() > 0


def test_a_timer_that_nobody_ticks_is_seen(operator: User) -> None:
    permit(operator)
    assert "(late)" not in page(operator)
    source = Source.objects.filter(timer__isnull=False)[0]
    sql(
        "UPDATE sources_timer SET next_fire_at = app_now() - interval '1 h' WHERE source_id = %s",
        source.id,
    )
    assert re.search(r"<dd>360\d\.\d s \(late\)</dd>", page(operator))


def test_processes_that_are_alive_silent_and_late(operator: User) -> None:
    permit(operator)
    for name, ago, state in (("well", 1, "ok"), ("hung", 60, "ok"), ("slow", 1, "late: <take>")):
        sql(PROCESS, name, ago, state)
    html = page(operator)
    assert "<dt>Workers alive</dt><dd>2, 1 silent</dd>" in html
    assert "memory 1 MiB, slots 8" in html
    states = re.findall(r'<td>(well|hung|slow)</td><td>here</td><td><span class="([^"]+)">', html)
    tones = {name: tone.split()[1] for name, tone in states}
    assert tones == {"well": "hw-good", "hung": "hw-bad", "slow": "hw-bad"}
    assert "late: &lt;take&gt;" in html
    assert "<take>" not in html


def test_who_is_near_the_quota(operator: User) -> None:
    permit(operator)
    user = services.create_user("thirsty")
    user.daily_invocations_quota = 100
    user.save()
    now = app_now()
    for used, shown in ((79, False), (80, True)):
        sql(
            "INSERT INTO accounts_usageday (user_id, day, compute_ms, invocations)"
            " VALUES (%s, %s, 5, %s) ON CONFLICT (user_id, day) DO UPDATE SET invocations = 80",
            user.id,
            now.date(),
            used,
        )
        near = {row[1]: row[3] for row in Figures(now).near_quota()}
        assert near.get("thirsty") == (0.8 if shown else None)
    assert ">thirsty</a></td><td>0%</td><td>80%</td>" in page(operator)


def test_each_part_is_for_those_who_may_see_its_rows(operator: User) -> None:
    assert titles(page(operator)) == []
    permit(operator, "view_run")
    assert titles(page(operator)) == ["Now", "Runs a minute"]
    permit(operator, "view_run", "view_source", "view_event")
    shown = titles(page(operator))
    assert "Events a minute" in shown
    assert "Busiest sources of the last hour" in shown
    assert not {"Processes", "Deepest mailboxes", "Near today's quota"} & set(shown)


def test_a_chart_is_a_table_too(operator: User) -> None:
    permit(operator, "view_run")
    html = page(operator)
    (chart,) = re.findall(r"<canvas[^>]*>", html)
    found = re.search(r'data-value="([^"]*)"', chart)
    assert found
    assert 'role="img"' in chart
    assert "Bar chart of the last 60 minutes" in chart
    data = orjson.loads(unescape(found[1]))
    (table,) = re.findall(r"<caption>.*?</table>", html, re.DOTALL)
    rows = re.findall(r"<tr>((?:<td>[^<]*</td>)+)</tr>", table)
    assert len(rows) == len(data["labels"]) == 60
    newest = re.findall(r"<td>([^<]*)</td>", rows[0])
    assert newest == [data["labels"][-1], *(f"{one['data'][-1]:,}" for one in data["datasets"])]
