"""`/apphooks/{app}/{event_name}`: the operator's door for what services tell the whole platform."""

from __future__ import annotations

import orjson
from django.http import HttpResponse
from rest_framework.request import Request

from apps.accounts import connected
from apps.api.answers import json_answer
from apps.api.middleware import ENVIRON
from apps.api.scopes import WRITE, needs
from apps.api.views import ApiView
from apps.core import errors
from apps.runs import apphooks

EVENT_NAME_CHARACTERS = 200


class AppHooks(ApiView):
    @needs(WRITE)
    def post(self, request: Request, app: str, event_name: str) -> HttpResponse:
        """For users who are no administrators there is no such route."""
        if not self.user.is_superuser:
            raise errors.not_found()
        connected.check_slug(app, "app")
        if len(event_name) > EVENT_NAME_CHARACTERS:
            raise errors.invalid(
                "event_name", f"event_name must be at most {EVENT_NAME_CHARACTERS} characters"
            )
        account_id = request.query_params.get("account_id")
        payload, request_id = orjson.dumps(request.data), request.META[ENVIRON]
        sources = apphooks.deliver(app, event_name, payload, request_id, account_id)
        return json_answer({"data": {"sources": sources}}, 202)
