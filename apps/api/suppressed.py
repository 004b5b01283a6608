"""`/sources/{id}/suppressed`: why was this not emitted? (REST specification, index 28)"""

from __future__ import annotations

import re

import orjson
from django.http import HttpResponse
from rest_framework.request import Request

from apps.api.answers import spliced
from apps.api.events import read_channel
from apps.api.paging import decode_cursor, encode_cursor, invalid_cursor, page_info, read_limit
from apps.api.params import Params
from apps.api.scopes import READ, needs
from apps.api.views import ApiView
from apps.events.items import EventId
from apps.runs import lifecycle, suppressed
from apps.runs.suppressed import Record

Place = tuple[int, bytes]


def fields_of(record: Record, matched: EventId | None) -> dict[str, bytes]:
    """Field name → JSON text: the id goes out as it was emitted."""
    fields = {"id": record.id or b"null", "reason": orjson.dumps(record.reason)}
    if matched is not None:
        fields["matched_event_id"] = orjson.dumps(str(matched))
    return fields | {
        "first_ms": b"%d" % record.first_ms,
        "last_ms": b"%d" % record.last_ms,
        "count": b"%d" % record.count,
    }


def _encode(source_id: str, record: Record) -> str:
    return encode_cursor(f"{source_id}|{record.last_ms}|{record.id_hash.hex()}")


def _decode(params: Params, parameter: str, source_id: str) -> Place | None:
    """The place itself, so that a walk goes on when its record has gone."""
    cursor = params.text(parameter)
    if not cursor:
        return None
    parts = (decode_cursor(cursor) or "").split("|")
    if len(parts) != 3 or parts[0] != source_id:
        raise invalid_cursor(parameter)
    if not re.fullmatch(r"[0-9]{1,15}", parts[1]) or not re.fullmatch(r"[0-9a-f]{32}", parts[2]):
        raise invalid_cursor(parameter)
    return -int(parts[1]), bytes.fromhex(parts[2])


def _page(records: list[Record], params: Params, source_id: str) -> list[Record]:
    limit = read_limit(params)
    after, before = (_decode(params, name, source_id) for name in ("after", "before"))
    inside = [
        record
        for record in records
        if (after is None or record.position > after)
        and (before is None or record.position < before)
    ]
    return inside[-limit:] if before is not None and after is None else inside[:limit]


class Suppressed(ApiView):
    @needs(READ)
    def get(self, _request: Request, source_id: str) -> HttpResponse:
        source = lifecycle.visible(self.user, source_id)
        params, channel = self.params(), read_channel(self.params()) or ""
        records = suppressed.read(source.id, channel)
        page = _page(records, params, source.id)
        matched = suppressed.matches(source.id, channel, page)
        info = page_info(len(records), [_encode(source.id, record) for record in page])
        items = (fields_of(record, matched.get(record.id_hash)) for record in page)
        return spliced(items, info, self.selection())
