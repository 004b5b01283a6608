"""Components and the packages that they import are immutable: looking only."""

from __future__ import annotations

from django.contrib import admin

from apps.components.models import Component, PackageSet
from apps.core.admin import LookOnly


@admin.register(Component)
class ComponentAdmin(LookOnly):
    list_display = ("id", "name", "key", "version", "language", "owner", "origin", "created_at")
    list_select_related = ("owner",)
    list_filter = ("language",)
    search_fields = ("id__exact", "key__exact", "owner__id__exact", "code_hash__exact")
    ordering = ("-created_at", "-id")
    light = ("code", "files", "props", "description")


@admin.register(PackageSet)
class PackageSetAdmin(LookOnly):
    list_display = ("name", "language", "runtime", "created_at", "used_at")
    list_filter = ("language",)
    search_fields = ("name__exact",)
    ordering = ("-created_at", "name")
    light = ("manifest", "lock")
