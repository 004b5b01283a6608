"""`POST /sources/{id}/replay`: stored events go out once more (REST specification, index 29)."""

from __future__ import annotations

from dataclasses import asdict

from django.http import HttpResponse
from rest_framework.request import Request

from apps.api.answers import json_answer
from apps.api.events import read_bound, read_channel
from apps.api.scopes import WRITE, needs
from apps.api.views import ApiView
from apps.events.items import LAST, MAX_N
from apps.events.services import FIRST
from apps.runs import lifecycle
from apps.subscriptions.replay import replay


class ReplaySource(ApiView):
    @needs(WRITE)
    def post(self, _request: Request, source_id: str) -> HttpResponse:
        source = lifecycle.visible(self.user, source_id)
        params, selection = self.params(), self.selection()
        made = replay(
            source,
            self.user.id,
            start=read_bound(params, "from", 0) or FIRST,
            end=read_bound(params, "to", MAX_N) or LAST,
            channel=read_channel(params),
            listener_id=params.text("listener_id") or None,
        )
        return json_answer({"data": selection.of_fields(asdict(made))}, 202)
