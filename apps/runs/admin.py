"""Leases, state, operations: looking only (runs that ended and that wait: `apps.panel`)."""

from __future__ import annotations

from typing import get_args

from django.contrib import admin

from apps.core.admin import LookOnly
from apps.core.admin_lists import choice
from apps.runs.models import (
    Actor,
    ComponentState,
    HttpResponse,
    Operation,
    Process,
)
from apps.runs.operations import Kind, State


@admin.register(Actor)
class ActorAdmin(LookOnly):
    list_display = ("source_id", "fence", "until", "last_ms", "last_n", "pub_ms", "pub_n", "lost")
    search_fields = ("source_id__exact",)
    ordering = ("source_id",)


@admin.register(ComponentState)
class ComponentStateAdmin(LookOnly):
    list_display = ("source_id",)
    search_fields = ("source_id__exact",)
    ordering = ("source_id",)
    light = ("store", "dedupe")


@admin.register(Operation)
class OperationAdmin(LookOnly):
    list_display = ("id", "kind", "state", "source_id", "owner_id", "attempt", "created_at")
    search_fields = ("id__exact",)
    list_filter = (
        choice("state", dict.fromkeys(get_args(State), "never")),
        choice("kind", dict.fromkeys(get_args(Kind), "never")),
    )
    ordering = ("-id",)
    light = ("args", "result")


@admin.register(HttpResponse)
class HttpResponseAdmin(LookOnly):
    list_display = ("run_id", "status", "created_at")
    search_fields = ("run_id__exact",)
    ordering = ("run_id",)
    light = ("headers", "body")


@admin.register(Process)
class ProcessAdmin(LookOnly):
    list_display = ("name", "kind", "host", "pid", "state", "started_at", "seen_at")
    list_filter = ("kind",)
    search_fields = ("name__exact", "host__exact")
    ordering = ("kind", "name")
    light = ("metrics",)
