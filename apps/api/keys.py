"""`/users/me/keys`: the caller's API keys (REST specification T4, index 35)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from apps.accounts import scopes, services
from apps.accounts.models import ApiKey
from apps.api.answers import empty, json_answer, single
from apps.api.params import Params
from apps.api.scopes import READ, WRITE, needs
from apps.api.views import ApiView
from apps.core import errors
from apps.core.clock import app_now

MOST = 100
LATEST = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp())


def fields_of(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.public_id,
        "prefix": key.prefix,
        "name": key.name,
        "scopes": key.scopes,
        "created_at": int(key.created_at.timestamp()),
        "last_used_at": _seconds(key.last_used_at),
        "expires_at": _seconds(key.expires_at),
    }


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


class Keys(ApiView):
    @needs(READ)
    def get(self, _request: Request) -> HttpResponse:
        selection = self.selection()
        keys = services.live_keys(self.user)
        return json_answer({"data": [selection.of_fields(fields_of(key)) for key in keys]})

    @needs(WRITE)
    def post(self, _request: Request) -> HttpResponse:
        params, selection = self.params(), self.selection()
        name = params.label("name", max_characters=100) or ""
        expires_at, allowed = _expiry(params), _scopes(params, self.caller.scopes)
        if services.live_keys(self.user).count() >= MOST:
            raise errors.conflict(f"there are {MOST} keys: delete one first", "too_many_keys")
        row, text = services.create_key(self.user, name, expires_at, allowed)
        return single({**fields_of(row), "key": text}, selection)


class OneKey(ApiView):
    @needs(WRITE)
    def delete(self, _request: Request, key_id: str) -> HttpResponse:
        key = None
        if "\0" not in key_id:
            key = services.live_keys(self.user).filter(public_id=key_id).first()
        if key is None or not services.revoke_key(key):
            raise errors.not_found()
        return empty(204)


def _scopes(params: Params, held: Sequence[str]) -> Sequence[str]:
    """Those asked for, at most those of the key that asks; without a word, the same."""
    asked = params.array("scopes")
    if asked is None:
        return held
    if not asked or not all(isinstance(scope, str) and scope in scopes.SCOPES for scope in asked):
        raise errors.invalid("scopes", f"scopes must be a list of {', '.join(scopes.SCOPES)}")
    for scope in scopes.lacking(held, asked):
        raise errors.insufficient_scope(scope, held, "scopes")
    return scopes.settled(asked)


def _expiry(params: Params) -> datetime | None:
    """`expires_at`, epoch seconds: when the key ends by itself."""
    seconds = params.integer("expires_at")
    if seconds is None:
        return None
    if not app_now().timestamp() < seconds < LATEST:
        raise errors.invalid("expires_at", "expires_at must be a time to come, in epoch seconds")
    return datetime.fromtimestamp(seconds, UTC)
