"""Logins at the admin (docs/decisions/0071-logins.md): locks, what is told, what is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse

from apps.core.clock import app_now

# Logins are kept for so long.
KEPT = timedelta(days=90)
# Wrong passwords of one address under any names, in multiples of LOGIN_FAILURES.
NAMES = 10


class Handler(AxesDatabaseHandler):  # type: ignore[misc]  # axes has no types
    """Locks an address too that tries one name after the other: each try costs the hash of a
    password, and a row."""

    def is_locked(self, request: Any, credentials: Any = None) -> bool:
        if super().is_locked(request, credentials):
            return True
        since = get_cool_off_threshold(request)
        attempts = AccessAttempt.objects.filter(
            ip_address=request.axes_ip_address, attempt_time__gte=since
        )
        failures = attempts.aggregate(all=Sum("failures_since_start"))["all"] or 0
        return bool(failures >= NAMES * settings.AXES_FAILURE_LIMIT)


def locked_out(_request: HttpRequest, _response: HttpResponse, _credentials: Any) -> HttpResponse:
    """429. The same whether there is such a user or not."""
    seconds = int(settings.AXES_COOLOFF_TIME.total_seconds())
    text = (
        f"Too many wrong passwords. Try again in {-(-seconds // 60)} minutes,"
        " or ask the operator to unlock you.\n"
    )
    response = HttpResponse(text, status=429, content_type="text/plain; charset=utf-8")
    response["Retry-After"] = str(seconds)
    response["Cache-Control"] = "no-store"
    return response


def forget_old() -> None:
    """Sessions that have ended, wrong passwords that lock nobody any more, old logins."""
    now = app_now()
    Session.objects.filter(expire_date__lt=now).delete()
    AccessAttempt.objects.filter(attempt_time__lt=now - settings.AXES_COOLOFF_TIME).delete()
    AccessLog.objects.filter(attempt_time__lt=now - KEPT).delete()
