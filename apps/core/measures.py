"""Every counter and histogram that the platform keeps (docs/observability.md lists them).

Incremented where the thing happens and once it is true: what a commit brought, after the COMMIT.
Labels take values of short fixed lists only. No owner, source or component is one: a hundred
thousand of them would be as many series, and `GET /v1/sources/{id}/runs` and the admin tell of one.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Histogram

from apps.core.metrics import REGISTRY

CAUSES: Final = ("timer", "http", "event", "manual", "hook")
STATES: Final = ("succeeded", "failed", "dead", "cancelled")
OUTCOMES: Final = ("delivered", "retry", "dead")
HANDLERS: Final = ("api", "endpoint", "stream", "admin", "health", "other")
CLASSES: Final = ("2xx", "3xx", "4xx", "5xx")
KINDS: Final = ("emit", "error", "log")
LEVELS: Final = ("warning", "error", "critical")
ERRANDS: Final = ("describe", "fetch", "import", "options", "dry_run", "connect")

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LONG = (*_FAST[2:], 30.0, 60.0, 300.0)


def _counter(name: str, told: str, *labels: str) -> Counter:
    return Counter(f"headwater_{name}", told, labels, registry=REGISTRY)


def _histogram(name: str, told: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
    return Histogram(f"headwater_{name}", told, labels, registry=REGISTRY, buckets=buckets)


# --- 1 tick, * sweep ---------------------------------------------------------------------------

TICK_SECONDS = _histogram("tick_seconds", "Duration of a tick", buckets=_FAST)
TIMERS_FIRED = _counter("timers_fired", "Timers that were due at a tick")
SWEEPS = _counter("sweeps", "Sweeps that were completed")
SWEPT = _counter("swept_sources", "Sources that a sweep found left behind and hinted again")

# --- 2 run, 3 commit ---------------------------------------------------------------------------

RUNS = _counter("runs", "Runs that ended, once committed", "cause", "state")
RUN_SECONDS = _histogram("run_seconds", "Duration of a run in its child", buckets=_LONG)
RUN_LAG_SECONDS = _histogram(
    "run_lag_seconds", "From the cause of a run to its start", "cause", buckets=_LONG
)
LEASES_LOST = _counter("leases_lost", "Leases that a worker held and lost")
COMMITS = _counter("commits", "Transactions that kept what drains did")
COMMIT_SECONDS = _histogram("commit_seconds", "Duration of such a transaction", buckets=_FAST)
COMMIT_FAILURES = _counter("commit_failures", "Such transactions that failed and were tried again")
EVENTS = _counter("events", "Events stored", "kind")
CHILDREN_STARTED = _counter("children_started", "Children started for component code")
CHILDREN_REUSED = _counter("children_reused", "Runs that found a warm child")
CHILDREN_ENDED = _counter("children_ended", "Children that ended or were killed")
ERRANDS_ENDED = _counter("errands", "Errands that a worker carried out", "kind")

# --- 4 fan out, 5 deliver ----------------------------------------------------------------------

FANNED_OUT = _counter("fan_out_events", "Events carried to their listeners")
DELIVERY_ATTEMPTS = _counter("delivery_attempts", "Attempts to deliver to webhooks", "outcome")
DELIVERY_SECONDS = _histogram(
    "delivery_attempt_seconds", "Duration of an attempt to deliver", buckets=_LONG
)

# --- the web process ---------------------------------------------------------------------------

REQUESTS = _counter("http_requests", "HTTP requests that were answered", "handler", "status")
REQUEST_SECONDS = _histogram(
    "http_request_seconds", "From the request to its answer", "handler", buckets=_FAST
)
ACCEPTED = _counter("endpoint_accepted", "Requests to endpoints that were stored as runs")

LOG_RECORDS = _counter("log_records", "Lines of the platform's own logs", "level")


def _begin_at_zero() -> None:
    """A series that is there from the start: the first of its kind is a rise, and is seen."""
    for cause in CAUSES:
        RUN_LAG_SECONDS.labels(cause)
        for state in STATES:
            RUNS.labels(cause, state)
    for handler in HANDLERS:
        REQUEST_SECONDS.labels(handler)
        for status in CLASSES:
            REQUESTS.labels(handler, status)
    for metric, values in (
        (EVENTS, KINDS),
        (ERRANDS_ENDED, ERRANDS),
        (DELIVERY_ATTEMPTS, OUTCOMES),
        (LOG_RECORDS, LEVELS),
    ):
        for value in values:
            metric.labels(value)


_begin_at_zero()
