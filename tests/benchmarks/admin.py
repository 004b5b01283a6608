"""The lists and pages of the admin over a million events, 100,000 sources and a million runs.

Each way through each list (tests/admin/walking.py) is asked for three times, as an operator who has
logged in, through Django's own client: what the web process spends on it, and the database.
"""

from __future__ import annotations

import time
from dataclasses import fields
from statistics import median

from django.db import models
from django.test import Client

from apps.accounts import services
from apps.panel import seeding
from tests.admin import walking
from tests.benchmarks.house import House
from tests.benchmarks.report import Table, milliseconds

TIMES = 3


def measure(house: House, scale: float) -> list[Table]:
    sizes = seeding.Sizes(
        **{
            f.name: max(1, int(getattr(seeding.Sizes(), f.name) * scale))
            for f in fields(seeding.Sizes)
        }
    )
    began = time.perf_counter()
    seeding.seed("seed", sizes)
    seeded = time.perf_counter() - began
    root = services.create_user("root", admin=True)
    client = Client()
    client.force_login(root)
    table = Table(
        f"Lists of the panel: {sizes.events:,} events, {sizes.sources:,} sources,"
        f" {sizes.runs:,} runs",
        ["List", "ways", "as it opens ms", "slowest ms", "which"],
    )
    for model in walking.lists():
        times = {way.name: _seconds(client, way.url) for way in walking.ways(root, model)}
        _say(table, model, times)
    for url in walking.PAGES:
        taken = milliseconds(_seconds(client, url))
        table.add(url, 1, taken, taken, "as it opens")
    house.clear()
    table.notes.append(
        f"Ways: as it opens, other pages, each filter, each search. Medians of {TIMES}."
        f" `manage.py seed` took {seeded:.0f} s."
    )
    return [table]


def _say(table: Table, model: type[models.Model], times: dict[str, float]) -> None:
    slowest = max(times, key=lambda name: times[name])
    table.add(
        model.__name__, len(times), milliseconds(times["as it opens"]),
        milliseconds(times[slowest]), slowest,
    )  # fmt: skip


def _seconds(client: Client, url: str) -> float:
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        answer = client.get(url)
        taken.append(time.perf_counter() - began)
        if answer.status_code != 200:
            raise RuntimeError(f"{url} answered {answer.status_code}")
    return median(taken)
