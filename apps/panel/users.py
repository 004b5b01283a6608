"""Users and their API keys in the panel: what one may use, has used and owns. Users are made and
changed here; keys are revoked, and made by nobody but their users."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from apps.accounts import services
from apps.accounts.models import UNLIMITED, ApiKey, UsageDay, User
from apps.core.clock import app_now
from apps.core.showing import line
from apps.panel.pages import (
    Button,
    Facts,
    Page,
    Section,
    Sectioned,
    Table,
    View,
    link,
    list_url,
    moment,
    row_link,
    state,
)  # fmt: skip
from apps.panel.reading import LISTED
from apps.sources.models import Source

KEYS = 50
# A list's action revokes each chosen key while the operator waits.
AT_ONCE = 1_000
DAYS = 7
QUOTAS = ("daily_compute_time_quota", "daily_invocations_quota")
# What else is of a user; each list finds its rows by their owner or actor.
_OWNED = {
    "Components": "components.component",
    "Subscriptions": "subscriptions.subscription",
    "Webhooks": "subscriptions.webhook",
    "Connected accounts": "accounts.account",
    "Usage, day by day": "accounts.usageday",
    "Changes that it made": "sources.sourcechange",
    "Activity": "sources.activity",
}


# Django's own is no generic type at run time, and Unfold's part has no types.
@admin.register(User)
class UserAdmin(DjangoUserAdmin, Sectioned):  # type: ignore[misc,type-arg]
    """A user is switched off (`active`), never deleted: sources and their ledger name it."""

    operate = "accounts.change_apikey"
    below = "User"
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

    def has_change_permission(self, request: HttpRequest, row: Any = None) -> bool:
        """Its password too. An administrator is changed by administrators alone: who could change
        one could become one."""
        administrator = bool(getattr(row, "is_superuser", False))
        permitted = bool(super().has_change_permission(request, row))
        return permitted and (bool(request.user.is_superuser) or not administrator)

    def get_readonly_fields(self, request: HttpRequest, row: Any = None) -> Any:
        fixed = super().get_readonly_fields(request, row)
        return fixed if request.user.is_superuser else (*fixed, "is_staff", "is_superuser")

    def views(self) -> Iterable[tuple[str, View]]:
        return (("revoke-keys", self.revoke_keys),)

    def buttons(self, request: HttpRequest, row: User) -> Iterator[Button]:
        if self.may_operate(request):
            yield Button("Revoke keys", self.url_of(row, "revoke-keys"), post=False, danger=True)

    def sections(self, request: HttpRequest, row: User) -> Iterator[Section]:
        """What belongs to other tables is for those who may look at these."""

        def may(model: str) -> bool:
            return bool(request.user.has_perm(model.replace(".", ".view_")))

        if may("accounts.usageday"):
            yield _today(row)
            yield _days(row)
        if may("accounts.apikey"):
            yield _keys(row)
        if may("sources.source"):
            yield _sources(row)
        leads = [
            (name, link("List", list_url(model, f"q={row.id}")))
            for name, model in _OWNED.items()
            if may(model)
        ]
        history = link("History", self.url_of(row, "history"))
        yield Facts("Belongs to it", [*leads, ("Changed by operators", history)])

    def revoke_keys(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.operated(request, object_id)
        form = RevokeForm(row, request.POST if request.method == "POST" else None)
        if not form.is_valid():
            return self.asked(request, row, "Revoke keys", form, danger=True)
        chosen = services.live_keys(row).filter(id__in=form.cleaned_data["chosen"])
        revoked = [key.prefix for key in chosen if services.revoke_key(key)]
        done = f"Keys that are revoked: {', '.join(revoked) or 'none'}."
        self.log_change(request, row, done)
        return self.back(request, row, done)


class RevokeForm(forms.Form):
    """Of the keys that are not revoked yet."""

    chosen = forms.MultipleChoiceField(
        label="Keys",
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="From now on they answer 401, and streams that were opened with them end.",
    )

    def __init__(self, user: User, data: Any = None) -> None:
        super().__init__(data)
        field: Any = self.fields["chosen"]
        field.choices = [
            (str(key.id), f"{key.prefix}… {line(key.name)} ({', '.join(key.scopes)})")
            for key in services.live_keys(user)[: 2 * KEYS]
        ]


def _today(row: User) -> Facts:
    used = services.usage_today(row)
    return Facts(
        "Today",
        [
            ("Compute time", _of(used.compute_ms, row.daily_compute_time_quota, " ms")),
            ("Invocations", _of(used.invocations, row.daily_invocations_quota, "")),
        ],
    )


def _of(used: int, quota: int, unit: str) -> str:
    allowed = "unlimited" if quota >= UNLIMITED else f"of {quota:,}{unit}"
    return f"{used:,}{unit}, {allowed}"


def _days(row: User) -> Table:
    """As they were summed up; what is not yet, stands under today."""
    today = app_now().date()
    found = UsageDay.objects.filter(
        user_id=row.id, day__gte=today - timedelta(days=DAYS), day__lt=today
    )
    rows = [
        (one.day.isoformat(), f"{one.compute_ms:,} ms", f"{one.invocations:,}")
        for one in found.order_by("-day")
    ]
    return Table("Days before", ("Day", "Compute time", "Invocations"), rows)


def _keys(row: User) -> Table:
    """Only what tells them apart: of a key itself there is a hash."""
    now = app_now()
    rows = [
        (
            row_link("accounts.apikey", key.id, f"{key.prefix}…"),
            line(key.name) or "-",
            ", ".join(key.scopes),
            state(_state_of(key, now)),
            moment(key.created_at),
            moment(key.last_used_at) if key.last_used_at else "never",
            moment(key.expires_at) if key.expires_at else "never",
        )
        for key in ApiKey.objects.filter(user=row).order_by("-id")[:KEYS]
    ]
    headers = ("Key", "Name", "Scopes", "State", "Made", "Last used", "Expires")
    more = ("All keys of this user", list_url("accounts.apikey", f"q={row.id}"))
    return Table("Keys", headers, rows, more=more)


def _state_of(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "active"


def _sources(row: User) -> Table:
    """The newest; those that were deleted too."""
    newest = Source.objects.filter(owner=row).order_by("-created_at", "-id")
    rows = [
        (
            row_link("sources.source", source.id, f"{source.name} ({source.id})"),
            state(source.state),
            moment(source.created_at),
        )
        for source in newest.only("id", "name", "state", "created_at")[:LISTED]
    ]
    more = ("All sources of this user", list_url("sources.source", f"q={row.id}"))
    return Table("Sources", ("Source", "State", "Since"), rows, more=more)


@admin.register(ApiKey)
class ApiKeyAdmin(Page):
    operate = "accounts.change_apikey"
    list_display = (
        "prefix", "user", "name", "scopes", "created_at", "last_used_at", "expires_at",
        "revoked_at",
    )  # fmt: skip
    list_select_related = ("user",)
    search_fields = ("prefix__startswith", "user__id__exact", "user__username__exact")
    ordering = ("-id",)
    hidden = ("sha256",)
    actions = ("revoke_chosen",)

    def views(self) -> Iterable[tuple[str, View]]:
        return (("revoke", self.revoke),)

    def buttons(self, request: HttpRequest, row: ApiKey) -> Iterator[Button]:
        if row.revoked_at is None and self.may_operate(request):
            yield Button("Revoke", self.url_of(row, "revoke"), danger=True)

    @method_decorator(require_POST)
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.operated(request, object_id)
        if not services.revoke_key(row):
            return self.back(request, row, "The key was revoked before.", bad=True)
        self.log_change(request, row, "The key is revoked.")
        return self.back(request, row, "The key is revoked.")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return self.may_operate(request)

    @admin.action(description="Revoke the selected keys", permissions=["operate"])
    def revoke_chosen(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        chosen = list(keys.order_by("id")[: AT_ONCE + 1])
        if len(chosen) > AT_ONCE:
            self.message_user(request, f"At most {AT_ONCE} keys at once", "ERROR")
            return
        revoked = [key for key in chosen if services.revoke_key(key)]
        for key in revoked:
            self.log_change(request, key, "The key is revoked.")
        self.message_user(request, f"{len(revoked)} keys revoked")
