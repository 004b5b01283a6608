"""Errors to Sentry, or what speaks its protocol, where `SENTRY_DSN` is set (docs/observability.md).

What the platform logs as an error is reported, with its traceback and the ids of its line, from any
kind of process. A report is put together here from a list of what may leave: no body, header,
query, key, prop or payload, no values of variables, and nothing that the library would add in its
next version.

The library is optional and is imported here alone, when it is asked for.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from structlog.contextvars import get_contextvars

from config.logs import IDS, quiet

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

MISSING = "SENTRY_DSN is set, and sentry-sdk is not there: install requirements-observe.txt"
_KEPT: Final = (
    *("event_id", "timestamp", "level", "logger", "platform", "sdk"),
    *("release", "environment", "server_name"),
)
_OF_FRAME: Final = (
    *("filename", "abs_path", "module", "function", "lineno"),
    *("in_app", "pre_context", "context_line", "post_context"),
)


def start() -> None:
    """Once in a process, after the settings are read. Raises ImproperlyConfigured."""
    if not settings.SENTRY_DSN:
        return
    try:
        import sentry_sdk
        from sentry_sdk.integrations.atexit import AtexitIntegration
        from sentry_sdk.integrations.logging import LoggingIntegration
    except ImportError:
        raise ImproperlyConfigured(MISSING) from None
    try:
        sentry_sdk.init(
            settings.SENTRY_DSN,
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[
                LoggingIntegration(level=None, event_level=logging.ERROR),
                # At the end of a process, without a word on standard error.
                AtexitIntegration(callback=lambda _pending, _timeout: None),
            ],
            before_send=_cleaned,
            include_local_variables=False,
            max_breadcrumbs=0,
            send_default_pii=False,
            send_client_reports=False,
            auto_session_tracking=False,
        )
    except ValueError as error:
        raise ImproperlyConfigured(f"SENTRY_DSN: {error}") from None


def _cleaned(event: Event, hint: Hint) -> Event:
    given: dict[str, Any] = dict(event)
    report: dict[str, Any] = {name: given[name] for name in _KEPT if name in given}
    record: logging.LogRecord | None = hint.get("log_record")
    error = hint["exc_info"][1] if hint.get("exc_info") else None
    if record is not None:
        report["logentry"] = {"formatted": quiet(record.getMessage(), error)}
        report["tags"] = {name: str(value) for name, value in _ids(record).items()}
        if settings.PROCESS:
            report["tags"]["process"] = settings.PROCESS
    if "exception" in given:
        values = given["exception"].get("values", [])
        report["exception"] = {"values": [_exception(value, error) for value in values]}
    # Keys of an event and no others: to mypy a plain dict.
    return report  # type: ignore[return-value]


def _ids(record: logging.LogRecord) -> dict[str, Any]:
    bound = get_contextvars()
    given = {name: record.__dict__[name] for name in IDS if name in record.__dict__}
    return {**{name: bound[name] for name in IDS if name in bound}, **given}


def _exception(value: dict[str, Any], error: BaseException | None) -> dict[str, Any]:
    kept: dict[str, Any] = {
        name: value[name] for name in ("type", "module", "mechanism") if name in value
    }
    kept["value"] = quiet(str(value.get("value", "")), error)
    if stack := value.get("stacktrace"):
        kept["stacktrace"] = {
            "frames": [
                {name: frame[name] for name in _OF_FRAME if name in frame}
                for frame in stack.get("frames", [])
            ]
        }
    return kept
