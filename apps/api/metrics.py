"""`/metrics`, for Prometheus: counters of all processes together, and what waits in the database.

An administrator's key, or METRICS_TOKEN (design section 7), which opens this and nothing else.
"""

from __future__ import annotations

import logging
import secrets
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpResponse
from rest_framework.request import Request

from apps.api.auth import BearerAuthentication
from apps.api.gauges import gauges
from apps.api.scopes import READ, needs
from apps.api.views import ApiView
from apps.core import errors, metrics
from apps.runs import processes

logger = logging.getLogger(__name__)


class Scraper:
    """Who shows METRICS_TOKEN: no user, and nothing else is open to it."""

    is_superuser = True
    is_authenticated = True
    scopes = (READ,)


class MetricsAuthentication(BearerAuthentication):
    def authenticate(self, request: Request) -> Any:
        scheme, _, given = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        token = settings.METRICS_TOKEN
        shown = given.strip().encode() if scheme.lower() == "bearer" else b""
        if token and secrets.compare_digest(shown, token.encode()):
            return Scraper(), Scraper()
        return super().authenticate(request)


class Metrics(ApiView):
    authentication_classes = [MetricsAuthentication]

    @property
    def caller(self) -> Any:
        return self.request.auth

    @needs(READ)
    def get(self, request: Request) -> HttpResponse:
        """For users who are no administrators there is no such route."""
        if not request.user.is_superuser:
            raise errors.not_found()
        try:
            found = [*metrics.families(metrics.merged(processes.counters())), *gauges()]
        except DatabaseError as error:
            logger.warning("metrics could not be read: %s", error)
            raise errors.unavailable("the database does not answer") from None
        return HttpResponse(metrics.exposition(found), content_type=metrics.CONTENT_TYPE)
