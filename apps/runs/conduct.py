"""The worker side of an operation on a source. The runner holds the source's lease throughout.

    # the operation was claimed: `queued` → `running`, and its source is leased
    while (hook := conduct.next_hook(operation_id)) is not None:
        <run hook.entry of hook.code in a child, HOOK_SECONDS>
        <commit the outcome under the fence: emits unless hook.discard_emits, store, logs, error>
        conduct.record(operation_id, hook, outcome.error)

`next_hook` does whatever comes between the hooks (stopping the timer, exchanging code and props)
and, when nothing is left, the last change of the source and the end of the operation; then it
answers None. The steps were written into the operation's `args` when it was accepted
(`apps.runs.sequence`), and progress is kept in its `result` (`{"done": n, "broken": …}`) until it
ends: a runner that takes over after a crash calls `next_hook` and goes on where the other stopped.
All calls are synchronous and short.

Runs of the source wait while an operation of it is open, except HTTP runs during `activate`
(`hook.serve_http`), which a second child serves under the same fence (F4). A source being created
is `creating` until the operation ends, and hidden from every reader, so its hooks may commit as
they go (F16).

`describe` operations have no source: see `apps.runs.describing`.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from typing import Any

from django.db import connection, transaction

from apps.components.models import Component
from apps.core.errors import ApiError
from apps.core.secrets import Undecipherable
from apps.runs import listening, mailbox, operations, queue, sequence
from apps.runs.contract import Code, RunError
from apps.runs.models import Operation
from apps.runs.sequence import Act, HookName, Step
from apps.sources import props, services
from apps.sources.models import Source
from apps.sources.resolving import Resolved, resolved


@dataclass(frozen=True, slots=True)
class Hook:
    """One call of a hook: which code, with which props, and what to do with what it emits.

    `key` and `run_id` name the call in the history: the same call again has the same ones.
    """

    position: int
    entry: HookName
    run_id: uuid.UUID
    key: str
    source_id: str
    owner_id: str
    code: Code
    dedupe: str | None
    resolved: Resolved
    discard_emits: bool = False
    serve_http: bool = False
    responds: bool = False


def next_hook(operation_id: int) -> Hook | None:
    """Advance the operation to its next hook, or to its end (None; also when it has ended)."""
    try:
        while True:
            with transaction.atomic():
                job = _load(operation_id)
                if job is None:
                    return None
                step = job.step
                if step is None:
                    job.settle()
                    return None
                if step.act == "hook":
                    return job.hook(step)
                act(job.source, step.act, job.operation.args)
                job.advance()
    except ApiError as refused:
        _end(operation_id, {"refused": [refused.status, refused.code, refused.message]})
    except services.Stale:
        _end(operation_id, {"refused": [409, "conflict", "the source has changed meanwhile"]})
    except Undecipherable as lost:
        _end(operation_id, {"refused": [409, "secret_lost", str(lost)]})
    return None


def record(operation_id: int, hook: Hook, error: RunError | None) -> bool:
    """Note that a hook was run. False: somebody noted it before (nothing changed)."""
    with transaction.atomic():
        job = _load(operation_id)
        if job is None or job.done != hook.position or job.step is None:
            return False
        broken = error is not None and not job.step.may_fail
        if error is not None and broken and job.broken is None:
            job.broken = {"hook": hook.entry, "error": asdict(error), "at": job.done + 1}
        job.advance()
        return True


def give_up(operation_id: int, error: RunError) -> None:
    """End an operation that cannot be finished (its runner died too often): it has failed.

    A source being created is removed; a half-changed source is set inactive; an untouched one
    stays as it is.
    """
    _end(operation_id, {"error": asdict(error)})


def act(source: Source, what: Act, args: dict[str, Any]) -> None:
    """One step that needs no component code, in the caller's transaction."""
    actor: str = args["actor"]
    if what == "stop":
        services.deactivate(source, actor)
    elif what == "open":
        services.activate(source, actor)
    elif what == "exchange":
        services.exchange(source, _wanted(source, args), actor)


def _wanted(source: Source, args: dict[str, Any]) -> services.Exchange:
    stored = args["configured"]
    if stored is None:
        return services.Exchange(name=args["name"], limits=args["limits"])
    component = source.component
    if args["component_id"] != component.id:
        component = Component.objects.get(id=args["component_id"])
    configured = props.Configured(
        plain=stored["plain"],
        secrets=stored["secrets"],
        needs_endpoint=stored["needs_endpoint"],
        timer=props.schedule_of(component.props, stored["plain"]),
    )
    return services.Exchange(component, configured, args["name"], args["limits"])


def discard_rows(source_id: str) -> None:
    """Drop the queued runs and the state of a source that is gone (F17). Its `actor` row stays as
    a tombstone, as the ids of its events do."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM mailbox WHERE source_id = %s", [source_id])
        cursor.execute("DELETE FROM component_state WHERE source_id = %s", [source_id])
    listening.forget(source_id)


# --- the operation ---------------------------------------------------------------------------


def _load(operation_id: int) -> _Job | None:
    """The running operation, its row locked; None when it has ended."""
    operation = (
        Operation.objects.select_for_update(no_key=True)
        .filter(id=operation_id, state="running")
        .first()
    )
    return None if operation is None else _Job(operation)


def _end(operation_id: int, result: dict[str, Any]) -> None:
    with transaction.atomic():
        Operation.objects.filter(id=operation_id, state="queued").update(state="running")
        job = _load(operation_id)
        if job is not None:
            job.break_off(result)


class _Job:
    """A running operation: where it stands and what comes next."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        assert operation.source_id is not None
        self.source = Source.objects.select_related("component").get(id=operation.source_id)
        progress: dict[str, Any] = operation.result or {}
        self.done: int = progress.get("done", 0)
        self.broken: dict[str, Any] | None = progress.get("broken")

    @property
    def step(self) -> Step | None:
        """What comes next; None when nothing is left."""
        if self.broken is None:
            steps = [Step(**step) for step in self.operation.args["steps"]]
            return steps[self.done] if self.done < len(steps) else None
        if self.operation.kind != "create":
            return None
        steps = sequence.cleanup(self.source.component.hooks, self.broken["hook"])
        position = self.done - self.broken["at"]
        return steps[position] if position < len(steps) else None

    def advance(self) -> None:
        progress = {"done": self.done + 1, "broken": self.broken}
        Operation.objects.filter(id=self.operation.id, state="running").update(result=progress)

    def hook(self, step: Step) -> Hook:
        source, component = self.source, self.source.component
        assert step.hook is not None
        key = f"{self.operation.id}:{self.done}"
        emits = self.operation.args.get("emit_on_deploy", True)
        return Hook(
            position=self.done,
            entry=step.hook,
            run_id=mailbox.run_id(source.id, step.hook, key),
            key=key,
            source_id=source.id,
            owner_id=source.owner_id,
            code=component.loadable(source.owner_id),
            dedupe=component.dedupe,
            resolved=resolved(source, component),
            discard_emits=step.hook == "deploy" and not emits,
            serve_http=step.hook == "activate" and source.endpoint_key is not None,
            responds=any(prop.get("customResponse") for prop in component.props),
        )

    def settle(self) -> None:
        """Nothing is left to run: the source's last change, and the operation's end."""
        if self.broken is not None:
            self.break_off({"hook": self.broken["hook"], "error": self.broken["error"]})
            return
        kind, args = self.operation.kind, self.operation.args
        if kind == "create":
            services.created(self.source, active=args["active"])
        elif kind == "update" and args["after"]:
            services.start_timer(self.source)
            wake(self.source.id)
        elif kind == "delete":
            services.delete(self.source, args["actor"])
            discard_rows(self.source.id)
        operations.finish(self.operation.id, {})

    def break_off(self, result: dict[str, Any]) -> None:
        """The operation has failed; what it leaves behind depends on what it was."""
        kind, source = self.operation.kind, self.source
        if kind == "create" and source.state == Source.State.CREATING:
            services.failed(source)
            discard_rows(source.id)
        elif kind == "update" and self.done and source.state == Source.State.ACTIVE:
            services.deactivate(source, services.SYSTEM)
        operations.finish(self.operation.id, result, failed=True)


def wake(source_id: str) -> None:
    """Hint that runs which waited while the source was paused may go on (F17)."""
    transaction.on_commit(lambda: queue.hint_sources([source_id]))
