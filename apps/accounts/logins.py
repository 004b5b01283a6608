"""Logins at the admin (docs/decisions/0071-logins.md): what who is locked out is told, and for how
long the rest is remembered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse

from apps.core.clock import app_now

# Logins are kept for so long.
KEPT = timedelta(days=90)


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
