"""Wrong passwords and logins at the admin, as django-axes notes them; locks are undone here."""

from __future__ import annotations

from axes.models import AccessAttempt, AccessLog
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.admin import LookOnly


@admin.register(AccessAttempt)
class AccessAttemptAdmin(LookOnly):
    """One row for each user name, address and browser. What was sent with them is not shown."""

    list_display = ("username", "ip_address", "failures_since_start", "attempt_time", "user_agent")
    search_fields = ("username__exact", "ip_address__exact")
    hidden = ("get_data", "post_data")
    ordering = ("-attempt_time",)
    actions = ("unlock",)

    def has_unlock_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("axes.delete_accessattempt")

    @admin.action(description="Unlock: forget the selected attempts", permissions=["unlock"])
    def unlock(self, request: HttpRequest, attempts: QuerySet[AccessAttempt]) -> None:
        forgotten, _ = attempts.delete()
        self.message_user(request, f"{forgotten} attempts forgotten")


@admin.register(AccessLog)
class AccessLogAdmin(LookOnly):
    list_display = ("username", "ip_address", "attempt_time", "logout_time", "user_agent")
    search_fields = ("username__exact", "ip_address__exact")
    ordering = ("-attempt_time",)
