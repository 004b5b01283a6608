"""Connected accounts and usage: looking only (users and keys: `apps.panel.users`)."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.models import Group

from apps.accounts.admin_logins import AccessAttemptAdmin, AccessLogAdmin
from apps.accounts.admin_oauth import OAuthClientAdmin
from apps.accounts.models import Account, Connecting, UsageDay, UsageDelta
from apps.core.admin import LookOnly
from apps.core.admin_lists import since

__all__ = ["AccessAttemptAdmin", "AccessLogAdmin", "OAuthClientAdmin"]

admin.site.unregister(Group)  # rights are not handed out by group here


@admin.register(Account)
class AccountAdmin(LookOnly):
    """Credentials are shown to nobody, encrypted though they are."""

    list_display = ("id", "owner", "app_slug", "name", "created_at", "updated_at", "deleted_at")
    list_select_related = ("owner",)
    search_fields = ("id__exact", "owner__id__exact", "owner__username__exact")
    list_filter = (since("created_at"),)
    hidden = ("credentials",)
    ordering = ("-created_at", "-id")


@admin.register(Connecting)
class ConnectingAdmin(LookOnly):
    list_display = ("id", "owner", "app_slug", "stage", "account", "created_at", "expires_at")
    list_select_related = ("owner", "account")
    hidden = ("ticket", "state", "browser", "verifier")
    ordering = ("-id",)


@admin.register(UsageDay)
class UsageDayAdmin(LookOnly):
    list_display = ("id", "user_id", "day", "compute_ms", "invocations")
    search_fields = ("user_id__exact",)
    ordering = ("-id",)


@admin.register(UsageDelta)
class UsageDeltaAdmin(LookOnly):
    list_display = ("id", "user_id", "day", "compute_ms", "invocations")
    search_fields = ("user_id__exact",)
    ordering = ("-id",)
