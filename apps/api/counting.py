"""What the web process counts of its requests. Groups of paths, not paths: those are endless."""

from __future__ import annotations

from typing import Final

from apps.core.measures import CLASSES, HANDLERS, REQUEST_SECONDS, REQUESTS

ENDPOINT, STREAM = "endpoint", "stream"
# The beginning of a path → its group, the first that fits.
_GROUPS: Final = (
    (("/v1/", "/v1", "/sources/", "/sse/"), "api"),
    (("/admin",), "admin"),
    (("/healthz", "/readyz", "/metrics"), "health"),
)
_seconds = {handler: REQUEST_SECONDS.labels(handler) for handler in HANDLERS}
_requests = {(h, c): REQUESTS.labels(h, c) for h in HANDLERS for c in CLASSES}


def handler_of(path: str) -> str:
    """`api`, `admin`, `health` or `other`; endpoints and event streams are told otherwise."""
    return next((name for starts, name in _GROUPS if path.startswith(starts)), "other")


def counted(handler: str, status: int, seconds: float) -> None:
    """One request was answered, or its event stream opened."""
    _requests[handler, CLASSES[min(max(status // 100, 2), 5) - 2]].inc()
    _seconds[handler].observe(seconds)
