"""Counters of real processes, over their lives: what is true is counted once, whoever did it, and
stays when they stop or are killed."""

from __future__ import annotations

import signal

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.faults.fleet import Fleet
from tests.making import until

TOKEN = "scrape-with-this"
SHORT = {"SILENT_SECONDS": "2"}
Series = dict[str, float]


def scrape(url: str) -> Series:
    """Each sample's value, by its name and labels in order."""
    answer = httpx.get(f"{url}/metrics", headers={"authorization": f"Bearer {TOKEN}"}, timeout=20)
    assert answer.status_code == 200, answer.text
    return {
        " ".join([sample.name.removeprefix("headwater_"), *sorted(sample.labels.values())]): float(
            sample.value
        )
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_counters_are_the_sum_over_processes_and_survive_them(fleet: Fleet) -> None:
    url = fleet.web(**SHORT, METRICS_TOKEN=TOKEN)
    first, second = (fleet.worker(**SHORT, PROCESS=f"worker{n}") for n in (1, 2))
    fleet.scheduler(**SHORT)
    component = fleet.world.component()
    sources = fleet.world.sources(component, 12)

    def more(each: int) -> None:
        for source in sources * each:
            fleet.world.queue(source)
        fleet.settle()

    def counted(runs: int) -> bool:
        found = scrape(url)
        told = [
            found["runs_total manual succeeded"],
            found["events_total emit"],
            found["run_seconds_count"],
            found["run_lag_seconds_count manual"],
        ]
        assert max(told) <= runs
        return told == [runs] * 4

    first.wait_ready()
    second.wait_ready()
    more(10)
    until(lambda: counted(120))
    by_row = "SELECT name FROM process WHERE metrics::text <> '{}'"
    until(lambda: {name for [name] in fleet.world.sql(by_row)} >= {"worker1", "worker2"})
    found = scrape(url)
    assert 1 <= found["commits_total"] == found["commit_seconds_count"] <= 120
    assert found["children_started_total"] >= 1
    assert found["mailbox_runs"] == 0

    def at_work() -> tuple[float, float]:
        now = scrape(url)
        return now["processes ok worker"], now["worker_slots"]

    # One that has its turn late on a busy machine is silent meanwhile.
    until(lambda: at_work() == (2, 32))
    # One says goodbye, one cannot: what both have done stays done.
    first.signal(signal.SIGTERM)
    first.wait()
    second.kill()
    until(lambda: not fleet.world.sql("SELECT 1 FROM process WHERE name = 'worker1'"))
    assert counted(120)
    fleet.worker(**SHORT, PROCESS="worker1").wait_ready()
    more(1)
    until(lambda: counted(132))
    until(lambda: scrape(url)["processes silent worker"] == 1)
