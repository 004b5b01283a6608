"""The packages that components import: looking only (components: `apps.panel.components`)."""

from __future__ import annotations

from django.contrib import admin

from apps.components.models import PackageSet
from apps.core.admin import LookOnly
from apps.core.admin_lists import choice


@admin.register(PackageSet)
class PackageSetAdmin(LookOnly):
    list_display = ("name", "language", "runtime", "created_at", "used_at")
    list_filter = (choice("language", dict.fromkeys(("python", "javascript"), "never")),)
    search_fields = ("name__exact",)
    ordering = ("-created_at", "name")
    newest = "created_at"
    light = ("manifest", "lock")
