"""`/components/dry_run`: run code once and keep nothing (REST specification, index 30)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from rest_framework.request import Request

from apps.accounts.models import User
from apps.api.answers import spliced_single
from apps.api.components import deployable, language_of
from apps.api.deferred import Deferred
from apps.api.params import Params, missing
from apps.api.scopes import WRITE, needs
from apps.api.views import ApiView
from apps.runs import rehearsal

# Time to be taken up by a worker and to load the code, on top of the run's own.
PATIENCE_SECONDS = 30.0


class DryRun(ApiView):
    @needs(WRITE)
    def post(self, request: Request) -> HttpResponse:
        params, selection = self.params(), self.selection()
        assert isinstance(request.data, dict)  # what the one parser returns
        event = request.data.get("event", {})
        operation = rehearsal.start(self.user, _wanted(self.user, params, event))
        return Deferred(
            operation.id,
            settings.HOOK_SECONDS + PATIENCE_SECONDS,
            lambda _ended: spliced_single(rehearsal.conclude(operation.id), selection),
        )


def _wanted(user: User, params: Params, event: Any) -> rehearsal.Wanted:
    """The id wins over the code. `event` may be any JSON, also null."""
    component_id, code = params.text("component_id"), params.text("component_code")
    if component_id is None and code is None:
        raise missing("component_id", "component_code")
    return rehearsal.Wanted(
        component=None if component_id is None else deployable(user, component_id),
        code=code,
        language=language_of(params),
        configured=params.object("configured_props") or {},
        event=event,
        db=params.object("db") or {},
        hook=params.text("hook"),
    )
