"""Events: looking only, newest first; of one source by channel, newest first in each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apps.core.admin import LookOnly
from apps.core.admin_lists import choice, since
from apps.core.showing import line
from apps.events.items import summary_of
from apps.events.models import Event


@admin.register(Event)
class EventAdmin(LookOnly):
    list_display = (
        "public_id", "source_id", "channel", "summary", "stored_at", "due_at", "deleted_at",
    )  # fmt: skip
    search_fields = ("source_id__exact",)
    list_filter = (
        since("stored_at"),
        choice("channel", dict.fromkeys(("default", "$errors", "$logs"), "searched"), default=""),
    )
    # Along event_newest.
    ordering: Sequence[str] = ("-stored_at", "-ms")
    newest = "stored_at"
    key_fields = ("source_id", "channel", "ms", "n")
    light = ("payload",)

    @admin.display(description="summary")
    def summary(self, row: Event) -> str:
        return line(summary_of(bytes(row.meta))) or "-"

    def get_ordering(self, request: HttpRequest) -> Any:
        # Of one source: the primary key of the table, read backwards.
        if self.is_searched(request):
            return ("-source_id", "-channel", "-ms", "-n")
        return self.ordering
