"""What a worker counts of the way (`apps.core.measures`), once it is true. Runs are counted a few
thousand times a second: series are looked up once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from apps.core import measures
from apps.runs.commit import Committed
from apps.runs.record import ERRORS, LOGS, Finished

_KINDS: Final = {ERRORS: "error", LOGS: "log"}
_runs = {
    (cause, state): measures.RUNS.labels(cause, state)
    for cause in measures.CAUSES
    for state in measures.STATES
}
_lags = {cause: measures.RUN_LAG_SECONDS.labels(cause) for cause in measures.CAUSES}
_events = {kind: measures.EVENTS.labels(kind) for kind in measures.KINDS}


def committed(sources: Mapping[str, Committed], seconds: float) -> None:
    """A transaction went through, with these sources."""
    measures.COMMITS.inc()
    measures.COMMIT_SECONDS.observe(seconds)
    events = dict.fromkeys(measures.KINDS, 0)
    for new in sources.values():
        for run, state in new.ended:
            _ended(run, state)
        for entry in new.entries:
            events[_KINDS.get(entry.channel, "emit")] += 1
    for kind, count in events.items():
        if count:
            _events[kind].inc(count)


def _ended(run: Finished, state: str) -> None:
    cause = run.cause if run.cause in _lags else "hook"
    _runs[cause, state].inc()
    if state != "cancelled":
        measures.RUN_SECONDS.observe(run.duration_ms / 1000)
        _lags[cause].observe(_lag(run.cause_at, run.started_ms))


def _lag(cause_at: datetime, started_ms: int) -> float:
    """Seconds from the cause to the start. The cause has the database's time, the start that of
    this host: less than nothing is nothing."""
    return max(0.0, started_ms / 1000 - cause_at.timestamp())


def attempted(state: str, seconds: float) -> None:
    """An attempt to deliver has ended; `state` is what becomes of the delivery."""
    measures.DELIVERY_ATTEMPTS.labels("retry" if state == "pending" else state).inc()
    measures.DELIVERY_SECONDS.observe(seconds)


class Children:
    """The runtime counts its children itself, knowing nothing of metrics: what has come since."""

    def __init__(self) -> None:
        self._before: dict[str, int] = {}

    def count(self, stats: Mapping[str, int]) -> None:
        for name, series in (
            ("spawned", measures.CHILDREN_STARTED),
            ("reused", measures.CHILDREN_REUSED),
            ("ended", measures.CHILDREN_ENDED),
        ):
            series.inc(stats[name] - self._before.get(name, 0))
            self._before[name] = stats[name]
