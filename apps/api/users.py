"""`/users/me`: the caller, and what the day's quotas have left (REST specification 5.1)."""

from __future__ import annotations

from django.http import HttpResponse
from rest_framework.request import Request

from apps.accounts import services
from apps.api.answers import single
from apps.api.scopes import READ, needs
from apps.api.views import ApiView


class Me(ApiView):
    @needs(READ)
    def get(self, _request: Request) -> HttpResponse:
        user, usage = self.user, services.usage_today(self.user)
        fields = {
            "id": user.id,
            "username": user.username,
            "email": user.email,
            "admin": user.is_superuser,
            # The key of this very request: only a hash of it is stored.
            "api_key": self.caller.key,
            "daily_compute_time_quota": user.daily_compute_time_quota,
            "daily_compute_time_used": usage.compute_ms,
            "daily_invocations_quota": user.daily_invocations_quota,
            "daily_invocations_used": usage.invocations,
        }
        return single(fields, self.selection())
