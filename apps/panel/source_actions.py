"""What an operator does to a source: through the services of the REST API, as the actor of the
ledger's entry. What needs component code is carried out by a runner (`apps.panel.waiting`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from apps.core.errors import ApiError
from apps.panel.pages import Button, View
from apps.panel.source_forms import DeleteForm, PropsForm, ReplayForm, VersionForm
from apps.panel.tail import SourceTail
from apps.panel.waiting import carried_out
from apps.runs import lifecycle
from apps.runs.lifecycle import Changes, Started
from apps.sources.models import Source
from apps.subscriptions.replay import replay

# A list's action begins a change of each chosen source while the operator waits.
AT_ONCE = 200
MANUAL = b"{}"

posting = method_decorator(require_POST)


class SourceActions(SourceTail):
    """Buttons, forms and the views behind them."""

    operate = "sources.change_source"
    actions = ("pause_chosen", "resume_chosen")

    def may_delete(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("sources.delete_source"))

    def views(self) -> Iterable[tuple[str, View]]:
        return (
            ("run-now", self.run_now),
            ("pause", self.pause),
            ("resume", self.resume),
            ("props", self.change_props),
            ("replay", self.replay),
            ("version", self.move),
            ("remove", self.remove),
            ("tail", self.tail),
            ("stream", self.stream),
        )

    def operations(self, request: HttpRequest, row: Source) -> list[Button]:
        """Those that this operator may do, and that the state of the source allows."""
        if row.state not in lifecycle.LISTED:
            return []
        found = []
        if self.may_follow(request):
            found.append(Button("Live tail", self.url_of(row, "tail"), post=False))
        if self.may_operate(request):
            if row.state == Source.State.ACTIVE:
                found += [
                    Button("Run now", self.url_of(row, "run-now")),
                    Button("Pause", self.url_of(row, "pause")),
                ]
            else:
                found += [Button("Resume", self.url_of(row, "resume"))]
            found += [
                Button("Change props", self.url_of(row, "props"), post=False),
                Button("Replay events", self.url_of(row, "replay"), post=False),
                Button("Move to another version", self.url_of(row, "version"), post=False),
            ]
        if self.may_delete(request):
            found.append(Button("Delete", self.url_of(row, "remove"), post=False, danger=True))
        return found

    # --- at once --------------------------------------------------------------------------------

    @posting
    def run_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.operated(request, object_id)
        # What an operator asked for twice with one press runs once.
        once = request.POST.get("once", "")[:64]
        try:
            lifecycle.run_now(row, MANUAL, _actor(request), once or None)
        except ApiError as error:
            return self.back(request, row, error.message, bad=True)
        return self.back(request, row, "A run is in the mailbox.")

    @posting
    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._set_going(request, object_id, active=False, done="The source is paused.")

    @posting
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._set_going(request, object_id, active=True, done="The source is active.")

    def _set_going(
        self, request: HttpRequest, object_id: str, *, active: bool, done: str
    ) -> HttpResponse:
        row = self.operated(request, object_id)
        changes = Changes(active=active)
        return carried_out(
            request,
            lambda: lifecycle.update(row, changes, _actor(request)),
            lambda error: self.back(request, row, error.message if error else done, bad=error),
        )

    # --- by a form ------------------------------------------------------------------------------

    def change_props(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.operated(request, object_id)
        form = PropsForm(row, request.POST if request.method == "POST" else None)

        def begin() -> Started:
            return lifecycle.update(row, form.changes(), _actor(request))

        return self._by_form(request, row, "Change props", form, begin, "The props are changed.")

    def move(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.operated(request, object_id)
        form = VersionForm(row, request.POST if request.method == "POST" else None)

        def begin() -> Started:
            return lifecycle.update(row, form.changes(), _actor(request))

        title = "Move to another version"
        return self._by_form(request, row, title, form, begin, "The source has another component.")

    def remove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.looked_at(request, object_id)
        if not self.may_delete(request):
            raise PermissionDenied
        form = DeleteForm(request.POST if request.method == "POST" else None)

        def begin() -> Started:
            ignore = form.cleaned_data["ignore_hook_errors"]
            return lifecycle.delete(row, _actor(request), ignore_hook_errors=ignore)

        note = (
            "Its timer, endpoint, state and queued runs are removed. Its events stay stored until"
            " their retention ends, and nobody sees them."
        )
        done = "The source is deleted."
        return self._by_form(
            request, row, "Delete source", form, begin, done, note=note, danger=True
        )

    def replay(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.operated(request, object_id)
        form = ReplayForm(row, request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                made = replay(row, _actor(request), **form.wanted())
            except ApiError as error:
                form.refuse(error)
            else:
                done = f"{made.events} events go once more to {made.listeners} listeners."
                return self.back(request, row, done)
        return self.asked(request, row, "Replay events", form)

    def _by_form(
        self,
        request: HttpRequest,
        row: Source,
        title: str,
        form: Any,
        begin: Callable[[], Started],
        done: str,
        **context: Any,
    ) -> HttpResponse:
        """The form until it is right, then the change; its errors come back into the form."""
        if not form.is_valid():
            return self.asked(request, row, title, form, **context)

        def answer(error: ApiError | None) -> HttpResponse:
            if error is None:
                return self.back(request, row, done)
            form.refuse(error)
            return self.asked(request, row, title, form, **context)

        return carried_out(request, begin, answer)

    # --- of a list ------------------------------------------------------------------------------

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return self.may_operate(request)

    @admin.action(description="Pause the selected sources", permissions=["operate"])
    def pause_chosen(self, request: HttpRequest, chosen: QuerySet[Source]) -> None:
        self._set_all_going(request, chosen, active=False)

    @admin.action(description="Resume the selected sources", permissions=["operate"])
    def resume_chosen(self, request: HttpRequest, chosen: QuerySet[Source]) -> None:
        self._set_all_going(request, chosen, active=True)

    def _set_all_going(
        self, request: HttpRequest, chosen: QuerySet[Source], *, active: bool
    ) -> None:
        """Each is changed, or its hooks are on their way; nobody waits for these."""
        rows = list(chosen.order_by("id")[: AT_ONCE + 1])
        if len(rows) > AT_ONCE:
            self.message_user(request, f"At most {AT_ONCE} sources at once", "ERROR")
            return
        changed = begun = 0
        refused = []
        for row in rows:
            try:
                started = lifecycle.update(row, Changes(active=active), _actor(request))
            except ApiError as error:
                refused.append(f"{row.id}: {error.message}")
            else:
                changed += started.operation_id is None
                begun += started.operation_id is not None
        word = "active" if active else "paused"
        self.message_user(
            request, f"{changed} sources are {word}, {begun} will be after their hooks"
        )
        if refused:
            self.message_user(request, "; ".join(refused[:10]), "ERROR")


def _actor(request: HttpRequest) -> str:
    """The operator's own id, for the ledger."""
    return str(request.user.pk)
