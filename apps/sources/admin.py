"""The ledger of sources and their timers: looking only (sources: `apps.panel.sources`)."""

from __future__ import annotations

from django.contrib import admin

from apps.core.admin import LookOnly
from apps.sources.models import SkippedSlots, SourceChange, Timer


@admin.register(SourceChange)
class SourceChangeAdmin(LookOnly):
    list_display = ("id", "source_id", "version", "kind", "actor", "at")
    list_filter = ("kind",)
    search_fields = ("source__id__exact",)
    ordering = ("-id",)
    light = ("data",)


@admin.register(Timer)
class TimerAdmin(LookOnly):
    list_display = (
        "source_id", "interval_seconds", "cron", "timezone", "generation", "next_fire_at",
    )  # fmt: skip
    search_fields = ("source__id__exact",)
    ordering = ("source_id",)


@admin.register(SkippedSlots)
class SkippedSlotsAdmin(LookOnly):
    list_display = ("id", "source_id", "generation", "from_ms", "to_ms", "count", "reason")
    search_fields = ("source_id__exact",)
    ordering = ("-id",)
