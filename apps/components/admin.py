"""Components and the packages that they import are immutable: looking only."""

from __future__ import annotations

from django.contrib import admin

from apps.components.models import Component, PackageSet
from apps.core.admin import LookOnly
from apps.core.admin_lists import choice, since


@admin.register(Component)
class ComponentAdmin(LookOnly):
    list_display = ("id", "name", "key", "version", "language", "owner", "origin", "created_at")
    list_select_related = ("owner",)
    list_filter = (
        since("created_at"),
        choice("language", dict.fromkeys(("python", "javascript"), "never")),
    )
    search_fields = ("id__exact", "key__exact", "owner__id__exact", "name__icontains")
    ordering = ("-created_at", "-id")
    newest = "created_at"
    light = ("code", "files", "props", "description")


@admin.register(PackageSet)
class PackageSetAdmin(LookOnly):
    list_display = ("name", "language", "runtime", "created_at", "used_at")
    list_filter = (choice("language", dict.fromkeys(("python", "javascript"), "never")),)
    search_fields = ("name__exact",)
    ordering = ("-created_at", "name")
    newest = "created_at"
    light = ("manifest", "lock")
