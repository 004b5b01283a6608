"""Operations: work that an API call waits for and a runner does (describing code, hooks).

The web inserts a row and waits for it without holding a thread (F8); the runner claims it, does the
work and calls `finish`. Any side may die: the row says how far it came, the sweeper re-drives it.
"""

from __future__ import annotations

from typing import Any, Literal

from django.db import transaction

from apps.core import errors
from apps.core.clock import AppNow
from apps.runs import queue
from apps.runs.models import Operation

Kind = Literal[
    "describe", "fetch", "import", "options", "dry_run", "connect", "create", "update", "delete"
]
State = Literal["queued", "running", "done", "failed", "cancelled"]


def enqueue(
    kind: Kind, owner_id: str, args: dict[str, Any], source_id: str | None = None
) -> Operation:
    """Insert an operation in the caller's transaction; the hint goes out after its COMMIT."""
    operation = Operation.objects.create(
        kind=kind, owner_id=owner_id, args=args, source_id=source_id
    )
    if source_id is None:
        transaction.on_commit(lambda: queue.hint_operations([operation.id]))
    else:
        transaction.on_commit(lambda: queue.hint_sources([source_id]))
    return operation


def finish(operation_id: int, result: dict[str, Any], *, failed: bool = False) -> bool:
    """`running` → `done` or `failed`, and wake who waits. False: somebody finished it before."""
    changed = Operation.objects.filter(id=operation_id, state="running").update(
        state="failed" if failed else "done", result=result, ended_at=AppNow()
    )
    if changed:
        transaction.on_commit(lambda: queue.poke_operation(operation_id))
    return changed == 1


def refuse(operation_id: int, error: errors.ApiError) -> bool:
    """End a running operation with what its caller did wrong; `refusal` gives it back."""
    facts = [error.status, error.code, error.message, error.parameter, error.details]
    return finish(operation_id, {"refused": facts}, failed=True)


def refusal(operation: Operation) -> errors.ApiError | None:
    """What `refuse` ended this operation with."""
    facts = (operation.result or {}).get("refused")
    if operation.state != "failed" or facts is None:
        return None
    status, code, message, parameter, details = facts
    return errors.ApiError(status, code, message, parameter=parameter, details=details)


def take(operation_id: int) -> Operation | None:
    """Remove an operation whose answer is needed once, and return it. None when it has not ended:
    then it is forgotten too, and what its runner makes of it is kept nowhere."""
    with transaction.atomic():
        operation = Operation.objects.select_for_update().filter(id=operation_id).first()
        if operation is None:
            return None
        Operation.objects.filter(id=operation_id).delete()
    return operation if operation.state in ("done", "failed") else None


def cancel(operation_id: int) -> bool:
    """`queued` → `cancelled`. False: a runner has already begun it (or it has ended)."""
    return (
        Operation.objects.filter(id=operation_id, state="queued").update(
            state="cancelled", ended_at=AppNow()
        )
        == 1
    )
