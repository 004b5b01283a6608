"""Bearer authentication (REST specification T2, T3), checked before anything else of a request."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from apps.accounts import services
from apps.accounts.models import User
from apps.api.failures import Failures
from apps.core import errors
from apps.core.about import this_is_about

# Where callers of other products put their key; here it would end up in logs of proxies.
_QUERY_NAMES = ("api_key", "apikey", "key", "token", "access_token")


failures = Failures(settings.REDIS_URL, settings.WRONG_KEYS)


class BearerAuthentication(BaseAuthentication):
    """`request.user` is the key's user, `request.auth` the `Caller`: the key, and its scopes."""

    def authenticate(self, request: Request) -> tuple[User, services.Caller]:
        scheme, _, credentials = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        key = credentials.strip()
        caller = services.authenticate(key) if scheme.lower() == "bearer" and key else None
        if caller is None:
            raise _refusal(request, scheme)
        this_is_about(owner_id=caller.user.id)
        return caller.user, caller

    def authenticate_header(self, _request: Request) -> str:
        return "Bearer"


def _refusal(request: Request, scheme: str) -> errors.ApiError:
    if scheme:
        # Only now: who has a right key is never slowed down, whoever shares the address.
        wait = failures.count(str(request.META.get("REMOTE_ADDR", "")))
        if wait is not None:
            return errors.too_many("too many requests with a wrong key", retry_after=wait)
        return errors.unauthorized("the API key is not valid; send Authorization: Bearer <api key>")
    query: Any = request.GET
    if any(name in query for name in _QUERY_NAMES):
        return errors.unauthorized(
            "the API key belongs in the header, not in the query:"
            " send Authorization: Bearer <api key>"
        )
    return errors.unauthorized("an API key is required: send Authorization: Bearer <api key>")
