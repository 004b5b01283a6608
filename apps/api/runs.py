"""`/sources/{id}/runs` and `/runs/{id}`: what ran, failed or waits (REST spec., index 25)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson
from django.http import HttpResponse
from rest_framework.request import Request

from apps.accounts.models import User
from apps.api.answers import empty, spliced, spliced_single
from apps.api.paging import decode_cursor, encode_cursor, invalid_cursor, page_info, read_limit
from apps.api.params import Params
from apps.api.scopes import READ, WRITE, needs
from apps.api.sources import LISTED
from apps.api.views import ApiView
from apps.core import errors
from apps.runs import reading, rerun
from apps.runs.reading import Position, RunView
from apps.sources.models import Source
from apps.sources.reading import check_owner

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def fields_of(run: RunView) -> dict[str, bytes]:
    """Field name → JSON text: the stored error goes out as it is."""
    fields = {
        "id": str(run.id),
        "source_id": run.source_id,
        "component_id": run.component_id,
        "cause": run.position.cause,
        "state": run.state,
        "attempt": run.attempt,
        "queued_at_ms": _ms(run.queued_at),
        "started_at_ms": _ms(run.started_at),
        "finished_at_ms": _ms(run.ended_at),
        "duration_ms": run.duration_ms,
        "emitted": run.emitted,
        "suppressed": run.suppressed,
    }
    return {name: orjson.dumps(value) for name, value in fields.items()} | {
        "error": run.error or b"null"
    }


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // timedelta(milliseconds=1)


def _encode(run: RunView) -> str:
    """A Run's place itself, so that a walk goes on when the row is past its retention."""
    micros = (run.position.cause_at - _EPOCH) // _MICROSECOND
    return encode_cursor(f"{run.source_id}|{micros}|{run.position.cause}|{run.position.key}")


def _decode(params: Params, parameter: str, source_id: str) -> Position | None:
    cursor = params.text(parameter)
    if not cursor:
        return None
    parts = (decode_cursor(cursor) or "").split("|", 3)
    if len(parts) != 4 or parts[0] != source_id or "\0" in cursor or "\0" in parts[3]:
        raise invalid_cursor(parameter)
    if not re.fullmatch(r"[0-9]{1,16}", parts[1]) or not re.fullmatch(r"[a-z_]{1,16}", parts[2]):
        raise invalid_cursor(parameter)
    return Position(_EPOCH + int(parts[1]) * _MICROSECOND, parts[2], parts[3])


class SourceRuns(ApiView):
    @needs(READ)
    def get(self, _request: Request, source_id: str) -> HttpResponse:
        check_owner(self.user.id, source_id)
        params = self.params()
        page = reading.read_page(
            source_id,
            limit=read_limit(params),
            after=_decode(params, "after", source_id),
            before=_decode(params, "before", source_id),
        )
        info = page_info(page.total, [_encode(run) for run in page.items])
        return spliced(map(fields_of, page.items), info, self.selection())


def _visible(user: User, run_id: str) -> RunView:
    """A run of one of the caller's sources; 404 for anything else."""
    run = reading.find(user.id, UUID(run_id)) if _UUID.fullmatch(run_id) else None
    if run is None or not Source.objects.filter(id=run.source_id, state__in=LISTED).exists():
        raise errors.not_found()
    return run


class OneRun(ApiView):
    @needs(READ)
    def get(self, _request: Request, run_id: str) -> HttpResponse:
        return spliced_single(fields_of(_visible(self.user, run_id)), self.selection())


class RerunRun(ApiView):
    @needs(WRITE)
    def post(self, _request: Request, run_id: str) -> HttpResponse:
        rerun.rerun(_visible(self.user, run_id), self.user.id)
        return empty(202)
