"""The spans of a worker, once they are true: of runs, when their commit is through; of attempts to
deliver (`apps.core.tracing`)."""

from __future__ import annotations

from collections.abc import Mapping

from apps.core import tracing
from apps.runs.commit import Committed
from apps.runs.record import Finished
from apps.subscriptions.deliveries import Receiver, Tried

# What lies between the cause of a run and its place in the mailbox.
_BEFORE = {"timer": "tick", "event": "fan out"}


def committed(sources: Mapping[str, Committed], seconds: float) -> None:
    """A transaction went through just now, with these sources."""
    end_ms = tracing.now_ms()
    for source_id, new in sources.items():
        for run, state in new.ended:
            if tracing.wanted(run.run_id):
                _ran(source_id, run, state, end_ms - seconds * 1000, end_ms)


def _ran(source_id: str, run: Finished, state: str, commit_ms: float, end_ms: float) -> None:
    cause_ms, queued_ms = run.cause_at.timestamp() * 1000, run.queued_at.timestamp() * 1000
    tracing.whole(
        run.run_id,
        f"run ({run.cause})",
        cause_ms,
        end_ms,
        failed=state in ("failed", "dead"),
        after=run.emitted_by,
        source_id=source_id,
        cause=run.cause,
        key=run.key,
        state=state,
        attempt=run.attempt,
        emitted=run.emitted,
    )
    if before := _BEFORE.get(run.cause):
        tracing.part(run.run_id, before, cause_ms, queued_ms)
    if run.started_ms:
        tracing.part(run.run_id, "wait", queued_ms, run.started_ms)
        tracing.part(run.run_id, "execute", run.started_ms, run.ended_ms)
    tracing.part(run.run_id, "commit", commit_ms, end_ms)


def attempted(receiver: Receiver, tried: Tried, seconds: float) -> None:
    """An attempt to deliver has ended just now; with the first one, how the event came to it."""
    claimed = tried.claimed
    run = claimed.run_id
    if run is None or not tracing.wanted(run):
        return
    facts = {
        "webhook_id": receiver.webhook_id,
        "source_id": claimed.emitter_id,
        "event_id": str(claimed.event_id),
    }
    if claimed.attempts == 0 and not claimed.replay:
        tracing.part(run, "fan out", claimed.event_id.ms, claimed.created_ms, **facts)
    end_ms = tracing.now_ms()
    tracing.part(
        run,
        "deliver",
        end_ms - seconds * 1000,
        end_ms,
        **facts,
        attempt=claimed.attempts + 1,
        outcome="retry" if tried.state == "pending" else tried.state,
        status=tried.attempt.get("status"),
        error=tried.attempt.get("error"),
    )
