"""What one finished Run leaves behind: its events in stored order, its history row. Pure.

Order of the ids inside a run: its emits, then its error on `$errors`, then its lines on `$logs`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from apps.events import dedupe
from apps.runs.contract import Emit, LogLine, Outcome, RunError
from apps.runs.suppressed import Withheld

ERRORS, LOGS = "$errors", "$logs"
PLATFORM_VERSION = "headwater"
# Of one run; the channel keeps no more anyway (component specification 9).
LINES_KEPT = 100
_YEAR_MS = 366 * 86_400_000
STORED_ONLY = -1
# As of the summaries that components give (component specification 6).
SUMMARY_BYTES = 1024
# So far ahead an event starts a new chain: a component may reschedule itself for ever (section 7).
_NEW_CHAIN_MS = 15_000
_META = ("id", "summary", "ts", "delivery_ts")


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that has no id yet. `due_ms` is set when it is to be delivered later (F10); `hops`
    as in `apps.events.models.Event`."""

    channel: str
    payload: bytes
    meta: bytes
    due_ms: int | None = None
    hops: int = 0


@dataclass(slots=True)
class Finished:
    """One Run that ended. `mailbox_id` is None for hooks, which do not queue.

    `hops` are those of the event that caused it; `quiet` says that it came from a `$` channel, so
    that what the run leaves on such channels is stored and never carried on (F12); `emitted_by` is
    the run that emitted it. `withheld` are the emits that dedupe held back.
    """

    mailbox_id: int | None
    run_id: uuid.UUID
    cause: str
    key: str
    cause_at: datetime
    queued_at: datetime
    started_ms: int
    ended_ms: int
    duration_ms: int
    state: str
    attempt: int
    suppressed: int = 0
    emitted: int = 0
    error: bytes | None = None
    events: list[NewEvent] = field(default_factory=list)
    hops: int = 0
    quiet: bool = False
    emitted_by: uuid.UUID | None = None
    withheld: list[Withheld] = field(default_factory=list)

    @property
    def system_hops(self) -> int:
        """The hops of this run's `$errors` and `$logs`."""
        return STORED_ONLY if self.quiet else self.hops


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose run it was: what `$errors` tells of it."""

    source_id: str
    component_id: str
    owner_id: str


def finish(
    run: Finished, origin: Origin, event: bytes, outcome: Outcome, sifted: dedupe.Sifted[Emit]
) -> Finished:
    """Fill in `run` from what its child did and what dedupe let pass. Returns `run`."""
    run.duration_ms = outcome.duration_ms
    run.started_ms = outcome.started_ms
    run.ended_ms = outcome.started_ms + outcome.duration_ms
    run.emitted, run.suppressed = len(sifted.passed), len(sifted.suppressed)
    run.state = "failed" if outcome.error else "succeeded"
    run.events = [_emitted(emit, run) for emit in sifted.passed]
    run.withheld = [Withheld(e.channel, e.meta.get("id"), why) for e, why in sifted.suppressed]
    lines = [*outcome.logs, *warnings(sifted, run.ended_ms)]
    if outcome.error:
        add_error(run, origin, event, outcome.error)
    run.events += _log_events(run, lines, outcome.error)
    return run


def warnings(sifted: dedupe.Sifted[Emit], at_ms: int) -> list[LogLine]:
    """Log lines about emits that no strategy could judge (component specification 7.3)."""
    reasons = [reason for _, reason in sifted.suppressed]
    texts = {
        "missing_id": "events without an id were not emitted",
        "not_numeric": "events whose id is no number were not emitted",
    }
    return [
        LogLine(at_ms, "warn", f"{reasons.count(reason)} {text}")
        for reason, text in texts.items()
        if reason in reasons
    ]


def add_error(run: Finished, origin: Origin, event: bytes, error: RunError) -> None:
    """Note the error in the history row and put it on `$errors` (REST specification 7.6)."""
    details = {
        "code": error.code,
        "name": error.name,
        "message": error.message,
        "stack": error.stack,
        "ts": run.ended_ms,
    }
    run.error = orjson.dumps(details)
    context = {
        "id": str(run.run_id),
        "ts": datetime.fromtimestamp(run.started_ms / 1000, UTC).isoformat(),
        "source_id": origin.source_id,
        "component_id": origin.component_id,
        "owner_id": origin.owner_id,
        "platform_version": PLATFORM_VERSION,
    }
    payload = b'{"original_event":%b,"original_context":%b,"error":%b}' % (
        event,
        orjson.dumps(context),
        run.error,
    )
    meta = error_meta(error.name, error.message)
    run.events.append(NewEvent(ERRORS, payload, meta, hops=run.system_hops))


def error_meta(name: str, message: str) -> bytes:
    """The metadata of an event on `$errors`: a summary, of one line and at most `SUMMARY_BYTES`."""
    # Each character is a byte at least: what is longer is cut anyway.
    text = " ".join(f"{name}: {message}"[:SUMMARY_BYTES].split())
    cut = text.encode()[:SUMMARY_BYTES].decode(errors="ignore")
    return orjson.dumps({"summary": cut})


def _emitted(emit: Emit, run: Finished) -> NewEvent:
    meta = {name: emit.meta[name] for name in _META if emit.meta.get(name) is not None}
    due, now_ms = meta.get("delivery_ts"), run.ended_ms
    if not (isinstance(due, int) and now_ms < due <= now_ms + _YEAR_MS):
        due = None
    hops = 0 if due is not None and due >= now_ms + _NEW_CHAIN_MS else run.hops
    return NewEvent(emit.channel, emit.payload, orjson.dumps(meta) if meta else b"{}", due, hops)


def _log_events(run: Finished, lines: list[LogLine], error: RunError | None) -> list[NewEvent]:
    base: dict[str, Any] = {"run_id": str(run.run_id), "cause": run.cause}
    hops = run.system_hops

    def line(facts: dict[str, Any], ts: int, kind: str, level: str, msg: str) -> NewEvent:
        payload = orjson.dumps({"ts": ts, "kind": kind, "level": level, "msg": msg, **facts})
        return NewEvent(LOGS, payload, b"{}", hops=hops)

    out = [line(base, run.started_ms, "start", "info", "")]
    if len(lines) > LINES_KEPT:
        cut = len(lines) - LINES_KEPT
        lines = lines[cut:]
        out.append(line(base, lines[0].at_ms, "log", "warn", f"{cut} earlier lines were cut"))
    for printed in lines:
        out.append(line(base, printed.at_ms, "log", printed.level, printed.message))
    if error:
        text = error.stack or f"{error.name}: {error.message}"
        out.append(line(base, run.ended_ms, "error", "error", text))
    facts = {
        "duration_ms": run.duration_ms,
        "emitted": run.emitted,
        "suppressed": run.suppressed,
        "status": run.state,
    }
    out.append(line({**base, **facts}, run.ended_ms, "end", "info", ""))
    return out
