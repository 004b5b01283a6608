"""`/sources/{id}/ticks`: every slot of a timer is accounted for (REST specification, index 27)."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from apps.api.answers import listing
from apps.api.paging import decode_cursor, encode_cursor, invalid_cursor, page_info, read_limit
from apps.api.params import Params
from apps.api.scopes import READ, needs
from apps.api.views import ApiView
from apps.runs import lifecycle, ticks
from apps.runs.ticks import Position, Tick

_TAG = re.compile(r"[rs][0-9:]{1,60}")


def fields_of(tick: Tick) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "from_ms": tick.from_ms,
        "to_ms": tick.position.to_ms,
        "count": tick.count,
        "outcome": tick.outcome,
    }
    if tick.lag_ms is not None:
        fields["lag_ms"] = tick.lag_ms
    if tick.reason is not None:
        fields["reason"] = tick.reason
    if tick.run_id is not None:
        fields["run_id"] = str(tick.run_id)
    return fields


def _decode(params: Params, parameter: str, source_id: str) -> Position | None:
    cursor = params.text(parameter)
    if not cursor:
        return None
    parts = (decode_cursor(cursor) or "").split("|")
    if len(parts) != 3 or parts[0] != source_id:
        raise invalid_cursor(parameter)
    if not re.fullmatch(r"[0-9]{1,15}", parts[1]) or not _TAG.fullmatch(parts[2]):
        raise invalid_cursor(parameter)
    return Position(int(parts[1]), parts[2])


class Ticks(ApiView):
    @needs(READ)
    def get(self, _request: Request, source_id: str) -> HttpResponse:
        source = lifecycle.visible(self.user, source_id)
        params = self.params()
        page = ticks.read_page(
            source.id,
            limit=read_limit(params),
            after=_decode(params, "after", source.id),
            before=_decode(params, "before", source.id),
        )
        cursors = [
            encode_cursor(f"{source.id}|{tick.position.to_ms}|{tick.position.tag}")
            for tick in page.items
        ]
        info = page_info(page.total, cursors)
        return listing(map(fields_of, page.items), info, self.selection())
