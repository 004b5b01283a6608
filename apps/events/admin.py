"""Events: looking only. Search by the id of a source."""

from __future__ import annotations

from django.contrib import admin

from apps.core.admin import LookOnly
from apps.events.models import Event


@admin.register(Event)
class EventAdmin(LookOnly):
    list_display = ("public_id", "source_id", "channel", "stored_at", "due_at", "deleted_at")
    search_fields = ("source_id__exact",)
    # The primary key of the table, read backwards.
    ordering = ("-source_id", "-channel", "-ms", "-n")
    key_fields = ("source_id", "channel", "ms", "n")
    light = ("payload", "meta")
