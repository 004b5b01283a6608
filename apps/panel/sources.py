"""Sources in the panel."""

from __future__ import annotations

from django.contrib import admin

from apps.core.admin import LookOnly
from apps.sources.models import Source


@admin.register(Source)
class SourceAdmin(LookOnly):
    list_display = ("id", "name", "name_slug", "state", "owner", "component", "created_at")
    list_select_related = ("owner", "component")
    list_filter = ("state",)
    search_fields = ("id__exact", "name_slug__exact", "owner__id__exact", "component__id__exact")
    ordering = ("-created_at", "-id")
    light = ("configured_props", "secret_props", "component__code", "component__props")
