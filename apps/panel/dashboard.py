"""The first page of the panel: how the platform is doing, as far as the operator may look.

Each part is shown to those who may see the rows that it is made of. A chart is a table too: for
those who do not see it, and for those who want the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest

from apps.core.admin_lists import LOOKED_THROUGH
from apps.core.clock import app_now
from apps.core.showing import line
from apps.panel import reading
from apps.panel.figures import Figures, Minutes
from apps.panel.pages import Facts, Section, Table, link, list_url, row_link, state
from apps.runs import processes
from apps.runs.processes import Seen

# Seconds that a timer may be late before it is a fault: many ticks.
LATE_SECONDS = 5.0
# Legible on white and on the dark ground.
COLOURS = {
    "succeeded": "#16a34a",
    "failed": "#dc2626",
    "dead": "#a855f7",
    "cancelled": "#78829a",
    "stored": "#3b82f6",
}
_AXIS = {"stacked": True, "ticks": {"color": "#78829a", "precision": 0, "maxRotation": 0}}
_OPTIONS = {
    "animation": False,
    "responsive": True,
    "maintainAspectRatio": False,
    "scales": {
        "x": _AXIS | {"grid": {"display": False}},
        "y": _AXIS | {"grid": {}, "beginAtZero": True},
    },
    "plugins": {"legend": {"display": True, "labels": {"color": "#78829a", "boxWidth": 12}}},
}


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars on one another, by minute; `data` and `options` are Chart.js', as JSON.

    label  what it shows, in a sentence: for those who do not see it
    """

    title: str
    label: str
    data: str
    options: str
    figures: Table
    kind: str = "chart"


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the page shows besides the theme's own (settings.UNFOLD)."""

    def may(*models: str) -> bool:
        return all(request.user.has_perm(model.replace(".", ".view_")) for model in models)

    figures = Figures(app_now())
    return context | {
        "title": "Dashboard",
        "wide": list(_wide(figures, may)),
        "sections": list(_tables(figures, may)),
    }


def _wide(figures: Figures, may: Callable[..., bool]) -> Iterator[Section | Chart]:
    """Across the page."""
    seen = processes.seen() if may("runs.process") else []
    runs = figures.runs() if may("runs.run") else None
    now = [
        *(_alive(seen) if may("runs.process") else ()),
        *(_hour(runs) if runs is not None else ()),
        *(_lag(figures) if may("sources.timer") else ()),
        *(_waiting(figures) if may("runs.mailboxrow") else ()),
        *(_deliveries(figures) if may("subscriptions.delivery") else ()),
    ]
    if now:
        yield Facts("Now", now)
    if runs is not None:
        yield _chart("Runs a minute", "runs", "ended, by state", runs)
    if may("events.event"):
        yield _chart("Events a minute", "events", "stored, log lines too", figures.events())
    if may("runs.process"):
        yield _processes(seen)


def _alive(seen: list[Seen]) -> Iterator[tuple[str, Any]]:
    alive = [one for one in seen if one.alive(settings.SILENT_SECONDS)]
    for kind, name in (("worker", "Workers"), ("scheduler", "Schedulers"), ("web", "Web")):
        there = sum(one.kind == kind for one in alive)
        silent = sum(one.kind == kind for one in seen) - there
        yield f"{name} alive", f"{there}, {silent} silent" if silent else there


def _hour(runs: Minutes) -> Iterator[tuple[str, Any]]:
    beyond = " or more" if runs.partial else ""
    yield "Runs of the last hour", f"{runs.total(*runs.counts):,}{beyond}"
    for name in ("failed", "dead"):
        there = list_url("runs.run", f"state={name}&since=1h")
        yield f"{name.capitalize()} of them", link(f"{runs.total(name):,}", there)


def _lag(figures: Figures) -> Iterator[tuple[str, Any]]:
    """0 while every timer that is due has been ticked."""
    timer = figures.earliest_timer()
    late = max(0.0, (figures.now - timer[1]).total_seconds()) if timer else 0.0
    yield "Lag of the scheduler", f"{late:.1f} s" + (" (late)" if late > LATE_SECONDS else "")


def _waiting(figures: Figures) -> Iterator[tuple[str, Any]]:
    waiting = figures.mailboxes
    yield "Runs in mailboxes", link(str(waiting), list_url("runs.mailboxrow"))


def _deliveries(figures: Figures) -> Iterator[tuple[str, Any]]:
    for name, heap in (("pending", figures.pending), ("dead", figures.dead)):
        there = list_url("subscriptions.delivery", f"state={name}")
        yield f"Deliveries {name}", link(str(heap), there)
    yield "Events to fan out", str(figures.fanout())


def _chart(title: str, things: str, which: str, minutes: Minutes) -> Chart:
    labels = [f"{at:%H:%M}" for at in minutes.at]
    shown = {name: counts for name, counts in minutes.counts.items() if any(counts)}
    # An empty chart has its lines too.
    shown = shown or dict(list(minutes.counts.items())[:1])
    data = {
        "labels": labels,
        "datasets": [
            {"label": name, "data": counts, "backgroundColor": COLOURS[name]}
            for name, counts in shown.items()
        ],
    }
    sums = ", ".join(f"{sum(counts):,} {name}" for name, counts in shown.items())
    label = f"Bar chart of the last {len(labels)} minutes: {sums}. The table below has the figures."
    rows = [
        (time, *(f"{counts[i]:,}" for counts in shown.values())) for i, time in enumerate(labels)
    ]
    about = f"{things} {which}; UTC"
    if minutes.partial:
        about += f"; the newest {LOOKED_THROUGH:,}, earlier minutes are left out"
    table = Table(f"{title}: {about}", ("Minute", *shown), rows[::-1])
    return Chart(title, label, _json(data), _json(_OPTIONS), table)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _processes(seen: list[Seen]) -> Table:
    rows = [
        (
            one.kind,
            one.name,
            one.host,
            _health(one),
            f"{one.ago:.0f} s ago",
            _age(one.age),
            line(", ".join(f"{name} {value}" for name, value in _few(one.facts))),
        )
        for one in seen[: 2 * reading.LISTED]
    ]
    headers = ("Kind", "Name", "Host", "State", "Sign of life", "Age", "Has")
    more = ("All processes", list_url("runs.process"))
    return Table("Processes", headers, rows, "None gives a sign of life.", more)


def _few(facts: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What fits a cell; bytes as MiB."""
    for name, value in sorted(facts.items()):
        if name == "resident_bytes" and isinstance(value, int):
            yield "memory", f"{value / 2**20:.0f} MiB"
        elif isinstance(value, int | float | str):
            yield name.replace("_", " "), value


def _health(one: Seen) -> Any:
    if not one.alive(settings.SILENT_SECONDS):
        return state("silent", bad=True)
    return state(line(one.state, 60), bad=one.state != processes.OK)


def _age(seconds: float) -> str:
    minutes = int(seconds) // 60
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min"


def _tables(figures: Figures, may: Callable[..., bool]) -> Iterator[Table]:
    """Beside one another."""
    if may("runs.run", "sources.source"):
        yield from _sources(figures)
    if may("runs.mailboxrow", "sources.source"):
        deepest = figures.mailboxes.highest
        rows = [(source, f"{count:,}") for source, count in _named(deepest)]
        yield Table("Deepest mailboxes", ("Source", "Runs that wait"), rows)
    if may("subscriptions.delivery"):
        yield _webhooks(figures)
    if may("accounts.usageday", "accounts.user"):
        used = [
            (row_link("accounts.user", user, name), f"{compute:.0%}", f"{invocations:.0%}")
            for user, name, compute, invocations in figures.near_quota()
        ]
        headers = ("User", "Compute time", "Invocations")
        yield Table("Near today's quota", headers, used, empty="Nobody.")


def _sources(figures: Figures) -> Iterator[Table]:
    busiest = [
        (source, f"{count:,}", f"{ms / 1000:,.1f} s") for source, count, ms in
        _named(figures.busiest())
    ]  # fmt: skip
    headers = ("Source", "Runs", "Compute time")
    yield Table("Busiest sources of the last hour", headers, busiest)
    failing = [
        (source, f"{count:,}", _time(last)) for source, count, last in _named(figures.failing())
    ]
    headers = ("Source", "Failed or dead", "Last")
    yield Table("Failing sources of the last day", headers, failing)


def _named(rows: Any) -> list[tuple[Any, ...]]:
    """Rows that begin with the id of a source, with links in the ids' place."""
    names = reading.sources_named({row[0] for row in rows})
    return [
        (row_link("sources.source", row[0], names[row[0]]) if row[0] in names else row[0], *row[1:])
        for row in rows
    ]


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _webhooks(figures: Figures) -> Table:
    """Those that most is pending for, then those whose deliveries died."""
    pending, dead = dict(figures.pending.highest), dict(figures.dead.highest)
    rows = [
        (
            row_link("subscriptions.webhook", webhook),
            f"{pending[webhook]:,}" if webhook in pending else "-",
            f"{dead[webhook]:,}" if webhook in dead else "-",
        )
        for webhook in list(dict.fromkeys([*pending, *dead]))[: reading.LISTED]
    ]
    return Table("Webhooks with most pending or dead", ("Webhook", "Pending", "Dead"), rows)
