"""What `run` is given: `TimerEvent`, `HttpEvent`, or the plain JSON value of another source.

Both are dictionaries with the specification's keys (so that emitting one passes it on unchanged)
and attributes for the same facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TIMER_KEYS = {"timestamp", "interval_seconds", "cron", "timezone"}
_HTTP_KEYS = {"method", "path", "query", "headers", "body", "bodyRaw"}


class Headers(dict[str, str]):
    """Header names in lower case; looked up without regard to case."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__({name.lower(): value for name, value in headers.items()})

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


class TimerEvent(dict[str, Any]):
    """A tick. Its time is the scheduled instant, not the moment at which the run began."""

    @property
    def timestamp(self) -> int:
        """Epoch seconds."""
        return int(self["timestamp"])

    @property
    def interval_seconds(self) -> int | None:
        """None under a cron schedule."""
        return dict.get(self, "interval_seconds")

    @property
    def cron(self) -> str | None:
        return dict.get(self, "cron")

    @property
    def timezone(self) -> str | None:
        return dict.get(self, "timezone")


class HttpEvent(dict[str, Any]):
    """A request to the source's endpoint. `body_raw` and `bodyRaw` are the same text."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        super().__init__(request)
        self["headers"] = Headers(request.get("headers") or {})

    def __missing__(self, key: str) -> Any:
        if key == "body_raw":
            return self["bodyRaw"]
        raise KeyError(key)

    def get(self, key: str, default: Any = None) -> Any:
        return super().get("bodyRaw" if key == "body_raw" else key, default)

    @property
    def method(self) -> str:
        """Upper case."""
        return str(self["method"])

    @property
    def path(self) -> str:
        """The rest of the path after the endpoint, `/` at least."""
        return str(self["path"])

    @property
    def query(self) -> dict[str, str]:
        """A repeated name keeps its last value."""
        return dict(self["query"])

    @property
    def headers(self) -> Headers:
        headers: Headers = self["headers"]
        return headers

    @property
    def body(self) -> Any:
        """Parsed JSON or form, else the text, else None."""
        return self["body"]

    @property
    def body_raw(self) -> str:
        return self["bodyRaw"] or ""

    @property
    def body_bytes(self) -> bytes:
        """The bytes that were received, for signatures (exact for UTF-8 bodies)."""
        return self.body_raw.encode("utf-8", "surrogatepass")


def wrap(event: Any) -> Any:
    """The event as component code sees it; told by its keys, which no other event has."""
    if type(event) is not dict:
        return event
    keys = event.keys()
    if (
        "timestamp" in keys
        and keys <= _TIMER_KEYS
        and ("interval_seconds" in keys) != ("cron" in keys)
    ):
        return TimerEvent(event)
    return HttpEvent(event) if keys == _HTTP_KEYS else event
