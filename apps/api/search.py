"""`/components/search`: finding components by words (REST specification 5.2)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from apps.api.answers import single
from apps.api.params import missing
from apps.api.scopes import READ, needs
from apps.api.views import ApiView
from apps.components import search
from apps.core.errors import invalid

QUERY_BYTES = 1024
APP_BYTES = 200
_DIGITS = 4


class Search(ApiView):
    @needs(READ)
    def get(self, _request: Request) -> HttpResponse:
        params, selection = self.params(), self.selection()
        query = params.text("query", max_bytes=QUERY_BYTES)
        if query is None or not query.strip():
            raise missing("query")
        threshold = params.number("similarity_threshold")
        if threshold is not None and not 0 <= threshold <= 1:
            raise invalid("similarity_threshold", "similarity_threshold must be between 0 and 1")
        found = search.search(
            self.user,
            query,
            app=params.text("app", max_bytes=APP_BYTES) or None,
            threshold=search.DEFAULT_THRESHOLD if threshold is None else threshold,
        )
        fields: dict[str, Any] = {"sources": [each.key for each in found], "actions": []}
        if params.boolean("debug"):
            fields["scores"] = [_scores(each) for each in found]
        return single(fields, selection)


def _scores(found: search.Found) -> dict[str, Any]:
    return {
        name: round(value, _DIGITS) if isinstance(value, float) else value
        for name, value in asdict(found).items()
    }
