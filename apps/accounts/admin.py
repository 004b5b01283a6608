"""Users can be made and changed here; keys can be revoked; usage is for looking."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.accounts import services
from apps.accounts.admin_logins import AccessAttemptAdmin, AccessLogAdmin
from apps.accounts.admin_oauth import OAuthClientAdmin
from apps.accounts.models import Account, ApiKey, Connecting, UsageDay, UsageDelta, User
from apps.core.admin import Lists, LookOnly
from apps.core.admin_lists import since

__all__ = ["AccessAttemptAdmin", "AccessLogAdmin", "OAuthClientAdmin"]

admin.site.unregister(Group)  # rights are not handed out by group here

QUOTAS = ("daily_compute_time_quota", "daily_invocations_quota")


@admin.register(User)
class UserAdmin(DjangoUserAdmin, Lists):  # type: ignore[misc,type-arg]
    """A user is switched off (`active`), never deleted: sources and their ledger name it."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "id", "email", "is_superuser", "is_active", "date_joined")
    readonly_fields = ("id", "last_login", "date_joined")
    filter_horizontal = ()
    list_filter = ("is_superuser", "is_active")
    search_fields = ("id__exact", "username__startswith")
    fieldsets = (
        (None, {"fields": ("id", "username", "email", "password")}),
        ("Quotas", {"fields": QUOTAS}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Times", {"fields": ("last_login", "date_joined")}),
    )

    def has_delete_permission(self, _request: HttpRequest, _row: Any = None) -> bool:
        return False


@admin.register(ApiKey)
class ApiKeyAdmin(LookOnly):
    list_display = (
        "prefix",
        "user",
        "name",
        "scopes",
        "created_at",
        "last_used_at",
        "expires_at",
        "revoked_at",
    )
    list_select_related = ("user",)
    search_fields = ("prefix__startswith", "user__id__exact", "user__username__exact")
    ordering = ("-id",)
    hidden = ("sha256",)
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_apikey")

    @admin.action(description="Revoke the selected keys", permissions=["revoke"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        revoked = sum(services.revoke_key(key) for key in keys)
        self.message_user(request, f"{revoked} keys revoked")


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
