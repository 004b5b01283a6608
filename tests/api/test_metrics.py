"""`/metrics`: who may read it, that Prometheus can, and that the documents name what is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.db import connection
from django.test import Client
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from apps.accounts import services
from apps.api.gauges import gauges
from apps.core import metrics
from apps.runs import processes
from apps.sources.models import Timer
from tests.api.conftest import Api, StartEdge, assert_error, make_source
from tests.api.live import eventually
from tests.processes import ROOT

TOKEN = "scrape-with-this"
DOCUMENT = (ROOT / "docs/observability.md").read_text()


@pytest.fixture
def token(settings: Any) -> str:
    settings.METRICS_TOKEN = TOKEN
    return TOKEN


def ask(key: str | None, path: str = "/metrics") -> Any:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    return Client(raise_request_exception=False).get(path, headers=headers)


def families(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def scraped(token: str) -> dict[str, Metric]:
    response = ask(token)
    assert response.status_code == 200, response.content
    return families(response.content.decode())


def value(found: dict[str, Metric], family: str, **labels: str) -> float:
    """Of the one sample of this gauge or counter with these labels."""
    [sample] = [
        s
        for s in found[f"headwater_{family}"].samples
        if s.labels == labels and not s.name.endswith(("_bucket", "_sum"))
    ]
    return float(sample.value)


# --- who may ------------------------------------------------------------------------------------


def test_an_administrators_key_opens_it_and_no_other_users(alice: Api) -> None:
    admin = services.create_user("root", "root@example.org", admin=True)
    assert ask(services.create_key(admin, "test")[1]).status_code == 200
    assert_error(ask(alice.key), 404, code="not_found")
    assert_error(ask(None), 401, code="unauthorized")


def test_the_token_opens_it_and_nothing_else(db: None, token: str) -> None:
    assert ask(token)["Content-Type"].startswith("text/plain")
    for wrong in (token + "x", token[:-1], token.upper(), "ü"):
        assert ask(wrong).status_code == 401
    assert ask(token, "/v1/users/me").status_code == 401


def test_without_a_token_an_empty_one_opens_nothing(db: None, settings: Any) -> None:
    settings.METRICS_TOKEN = ""
    for shown in ("", " "):
        assert ask(shown).status_code == 401


# --- what is told -------------------------------------------------------------------------------


def documented() -> Iterator[tuple[str, str, set[str]]]:
    """Name, type and labels of each row of the document's table."""
    for name, kind, labels in re.findall(
        r"^\| `(headwater_\w+)` \| (\w+) \| ([^|]*) \|", DOCUMENT, re.MULTILINE
    ):
        yield name, kind, set(re.findall(r"`(\w+)`", labels))


def test_the_document_names_every_metric_and_no_other(db: None, token: str) -> None:
    exposed = []
    for family in scraped(token).values():
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        if family.name == "headwater_process_resident_bytes":
            labels = {"kind", "process", "host"}  # nobody is at work here
        exposed.append((name, family.type, labels))
    told = list(documented())
    assert sorted(told, key=str) == sorted(exposed, key=str)
    assert len(told) > 30


def test_names_follow_the_conventions(db: None, token: str) -> None:
    for family in scraped(token).values():
        assert family.documentation
        if family.type == "counter":
            assert all(s.name.endswith("_total") for s in family.samples), family.name
        else:
            assert not family.name.endswith("_total")
        if family.type == "histogram":
            assert family.name.endswith("_seconds")


def test_depths_are_those_of_the_database(alice: Api, token: str) -> None:
    source, waiting = make_source(alice.user), make_source(alice.user)
    with connection.cursor() as cursor:
        cursor.execute("SELECT app_now()")
        [now] = cursor.fetchone()
        for key, seconds in (("a", 90), ("b", 30), ("c", -60)):
            at = now - timedelta(seconds=seconds)
            cursor.execute(
                "INSERT INTO mailbox (source_id, cause, key, cause_at, due_at, queued_at, payload)"
                " VALUES (%s, 'manual', %s, %s, %s, %s, '{}')",
                [source.id, key, at, at, at],
            )
    for owner, seconds in ((source, 45), (waiting, -45)):
        due = now - timedelta(seconds=seconds)
        Timer.objects.create(source=owner, interval_seconds=60, next_fire_at=due)
    found = scraped(token)
    assert value(found, "mailbox_runs") == 3
    assert 90 <= value(found, "mailbox_oldest_seconds") < 100
    assert value(found, "timers_due") == 1
    assert 45 <= value(found, "timers_lag_seconds") < 55
    assert value(found, "deliveries_pending") == 0


def test_a_scrape_reads_no_whole_table_of_the_way(db: None) -> None:
    """The plans of all its questions, where the planner may choose: indexes, or bounded."""
    asked: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        list(gauges())
    tables = [sql for sql in asked if "FROM" in sql and "process" not in sql]
    assert len(tables) >= 8
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for sql in tables:
            cursor.execute("EXPLAIN " + sql, {"most": 100})
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "Limit" in plan, plan
            assert "Seq Scan" not in plan or "LIMIT" in sql, plan


# --- sums over processes ------------------------------------------------------------------------


def row(**counted: float) -> bytes:
    return metrics.dump({f'["headwater_{name}"]': value for name, value in counted.items()})


def test_rows_of_processes_add_up_and_what_is_unknown_stays() -> None:
    total = metrics.merged([row(commits_total=2, old_total=1), row(commits_total=3)])
    found = {metric.name: metric for metric in metrics.families(total)}
    assert found["headwater_commits"].samples[0].value == 5
    assert "headwater_old" not in found
    assert total['["headwater_old_total"]'] == 1


def test_a_histogram_adds_up_bucket_by_bucket(db: None, token: str) -> None:
    for family in scraped(token).values():
        if family.type != "histogram":
            continue
        buckets: dict[str, list[float]] = {}
        for sample in family.samples:
            if sample.name.endswith("_bucket"):
                rest = str({k: v for k, v in sample.labels.items() if k != "le"})
                buckets.setdefault(rest, []).append(float(sample.labels["le"]))
        for edges in buckets.values():
            assert edges == sorted(edges)
            assert edges[-1] == float("inf")


def test_who_stopped_is_counted_once_and_for_ever(db: None) -> None:
    card = processes.named("worker", "gone")

    def commits() -> float:
        return metrics.merged(processes.counters()).get('["headwater_commits_total"]', 0)

    before = commits()
    processes.beat_now(card, "ok", {})
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE process SET metrics = %s, state = 'stopped' WHERE id = %s",
            [row(commits_total=7), card.id],
        )
    assert commits() == before + 7
    assert processes.fold() == 1
    assert commits() == before + 7
    assert processes.fold() == 0


async def test_a_web_process_counts_its_requests(
    start_edge: StartEdge, transactional_db: None
) -> None:
    edge = start_edge(SILENT_SECONDS="2", METRICS_TOKEN=TOKEN)

    def told(handler: str, status: str) -> float:
        answer = httpx.get(f"{edge.url}/metrics", headers={"authorization": f"Bearer {TOKEN}"})
        return value(families(answer.text), "http_requests", handler=handler, status=status)

    before = told("api", "4xx"), told("endpoint", "4xx")
    for _ in range(3):
        assert httpx.get(f"{edge.url}/v1/users/me").status_code == 401
    assert httpx.post(f"{edge.url}/h/{'x' * 32}").status_code == 404
    await eventually(lambda: told("api", "4xx") - before[0] == 3)
    await eventually(lambda: told("endpoint", "4xx") - before[1] == 1)
