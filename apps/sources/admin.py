"""Timers of sources: looking only (sources and their ledger: `apps.panel`)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apps.core.admin import LookOnly
from apps.core.admin_lists import choice
from apps.sources.models import SkippedSlots, Timer


class Going(admin.SimpleListFilter):
    """Timers that are set going, those that are due first."""

    title = "going"
    parameter_name = "going"

    def lookups(self, _request: HttpRequest, _admin: Any) -> list[tuple[str, str]]:
        return [("yes", "yes, next first")]

    def queryset(self, _request: HttpRequest, timers: Any) -> Any:
        return timers.filter(next_fire_at__isnull=False) if self.value() else timers


@admin.register(Timer)
class TimerAdmin(LookOnly):
    list_display = (
        "source_id", "interval_seconds", "cron", "timezone", "generation", "next_fire_at",
    )  # fmt: skip
    search_fields = ("source__id__exact",)
    list_filter = (Going,)
    ordering = ("source_id",)

    def get_ordering(self, request: HttpRequest) -> Any:
        # Along the index timer_due.
        return ("next_fire_at", "source_id") if request.GET.get("going") else self.ordering


@admin.register(SkippedSlots)
class SkippedSlotsAdmin(LookOnly):
    list_display = ("id", "source_id", "generation", "from_ms", "to_ms", "count", "reason")
    search_fields = ("source_id__exact",)
    list_filter = (choice("reason", dict.fromkeys(("downtime", "previous_run", "quota"), "never")),)
    ordering = ("-id",)
