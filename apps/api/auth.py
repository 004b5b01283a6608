"""Bearer authentication (REST specification T2, T3), checked before anything else of a request."""

from __future__ import annotations

import threading
import time
from typing import Any

from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from apps.accounts import services
from apps.accounts.models import User
from apps.core import errors

# Where callers of other products put their key; here it would end up in logs of proxies.
_QUERY_NAMES = ("api_key", "apikey", "key", "token", "access_token")


class FailureLimit:
    """Counts refused keys per client address in one process: above `most` a minute the answer is
    429. A right key is never refused here, whoever shares the address."""

    def __init__(self, most: int = 100, seconds: float = 60.0, addresses: int = 10_000) -> None:
        self._most = most
        self._seconds = seconds
        self._addresses = addresses
        self._counts: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def count(self, address: str) -> int | None:
        """Note one failure. Returns the seconds to wait when there were too many."""
        now = time.monotonic()
        with self._lock:
            start, count = self._counts.get(address, (now, 0))
            if now - start >= self._seconds:
                start, count = now, 0
            if address not in self._counts and len(self._counts) >= self._addresses:
                self._counts.clear()
            self._counts[address] = (start, count + 1)
        if count < self._most:
            return None
        return max(1, round(start + self._seconds - now))

    def clear(self) -> None:
        with self._lock:
            self._counts.clear()


failures = FailureLimit(settings.WRONG_KEYS)


class BearerAuthentication(BaseAuthentication):
    """`request.user` is the key's user, `request.auth` the `Caller`: the key, and its scopes."""

    def authenticate(self, request: Request) -> tuple[User, services.Caller]:
        scheme, _, credentials = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        key = credentials.strip()
        caller = services.authenticate(key) if scheme.lower() == "bearer" and key else None
        if caller is None:
            raise _refusal(request, scheme)
        return caller.user, caller

    def authenticate_header(self, _request: Request) -> str:
        return "Bearer"


def _refusal(request: Request, scheme: str) -> errors.ApiError:
    wait = failures.count(str(request.META.get("REMOTE_ADDR", "")))
    if wait is not None:
        return errors.too_many("too many requests with a wrong key", retry_after=wait)
    if scheme:
        return errors.unauthorized("the API key is not valid; send Authorization: Bearer <api key>")
    query: Any = request.GET
    if any(name in query for name in _QUERY_NAMES):
        return errors.unauthorized(
            "the API key belongs in the header, not in the query:"
            " send Authorization: Bearer <api key>"
        )
    return errors.unauthorized("an API key is required: send Authorization: Bearer <api key>")
