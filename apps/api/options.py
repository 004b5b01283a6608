"""`/components/{id}/props/{name}/options`: the choices of a prop (component specification 3.4)."""

from __future__ import annotations

from django.http import HttpResponse
from rest_framework.request import Request

from apps.api.answers import single
from apps.api.deferred import Deferred
from apps.api.params import Params
from apps.api.scopes import WRITE, needs
from apps.api.views import ApiView
from apps.components import services
from apps.core import errors
from apps.runs import asking

# The function's own time, and as much again as a busy worker may need to begin.
WAIT_SECONDS = asking.SECONDS + 15.0
PAGES = 2**31 - 1
QUERY_BYTES = 4096


class Options(ApiView):
    @needs(WRITE)
    def post(self, _request: Request, key_or_id: str, prop: str) -> HttpResponse:
        component = services.get_visible(self.user, key_or_id)
        selection = self.selection()
        operation = asking.start(self.user, component, _question(self.params(), prop))
        return Deferred(
            operation.id,
            WAIT_SECONDS,
            lambda _ended: single(asking.conclude(operation.id), selection),
        )


def _question(params: Params, prop: str) -> asking.Question:
    page = params.integer("page") or 0
    if not 0 <= page <= PAGES:
        raise errors.invalid("page", f"page must be between 0 and {PAGES}")
    return asking.Question(
        name=prop,
        configured=params.object("configured_props") or {},
        page=page,
        prev_context=params.object("prev_context"),
        query=params.text("query", max_bytes=QUERY_BYTES),
    )
