"""Events and log lines as lines for people. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from headwater_cli.api import Resource
from headwater_cli.following import ERRORS, LOGS
from headwater_cli.printing import compact, cut, safe, safe_lines


def event_line(event: Resource, width: int | None) -> str:
    """`time  id  [channel]  summary  payload`, cut at `width` characters."""
    metadata = event["metadata"]
    channel, summary = metadata.get("name"), metadata.get("summary")
    parts = [
        _clock(event["indexed_at_ms"]),
        f"{event['id']:<15}",
        f"[{channel}]" if channel else "",
        safe(summary) if isinstance(summary, str) else "",
        _error(event["event"]) if channel == ERRORS else compact(event["event"]),
    ]
    return _fit("  ".join(part for part in parts if part), width)


def log_line(event: Resource, width: int | None) -> str:
    """`time  run  LEVEL text`; a text of several lines keeps them, and nothing of it is cut."""
    line = event["event"] if isinstance(event["event"], dict) else {}
    run = str(line.get("run_id", ""))[:8]
    head = f"{_clock(line.get('ts') or event['indexed_at_ms'])}  {run:<8}"
    kind = line.get("kind")
    if kind == "start":
        return _fit(f"{head}  run begins ({safe(str(line.get('cause')))})", width)
    if kind == "end":
        facts = f"{line.get('duration_ms')} ms, {line.get('emitted')} emitted"
        if line.get("suppressed"):
            facts += f", {line['suppressed']} suppressed"
        return _fit(f"{head}  run {safe(str(line.get('status')))} ({facts})", width)
    level = str(line.get("level", "info"))
    mark = "" if level == "info" else f"{safe(level.upper())} "
    return f"{head}  {mark}{_indented(str(line.get('msg', '')))}"


def tail_line(event: Resource, width: int | None) -> str | None:
    """Of all channels together. None: said already, every error being a line of the log too."""
    channel = event["metadata"].get("name")
    if channel == LOGS:
        return log_line(event, width)
    return None if channel == ERRORS else event_line(event, width)


def _error(payload: Any) -> str:
    error = payload.get("error") if isinstance(payload, dict) else None
    if not isinstance(error, dict):
        return compact(payload)
    return safe(f"{error.get('name')}: {error.get('message')}")


def _indented(text: str) -> str:
    return safe_lines(text).replace("\n", "\n    ")


def _fit(text: str, width: int | None) -> str:
    return text if width is None else cut(text, width)


def _clock(ms: Any) -> str:
    moment = datetime.fromtimestamp(ms / 1000 if isinstance(ms, int | float) else 0, UTC)
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
