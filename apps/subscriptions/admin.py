"""Who listens to whom, and what is on its way: looking only."""

from __future__ import annotations

from django.contrib import admin

from apps.core.admin import LookOnly
from apps.subscriptions.models import (
    AutoSubscription,
    Delivery,
    FanoutDue,
    HeldBack,
    Subscription,
    Webhook,
)


@admin.register(Subscription)
class SubscriptionAdmin(LookOnly):
    list_display = ("id", "owner", "emitter_id", "event_name", "listener_id", "created_at")
    list_select_related = ("owner",)
    search_fields = ("id__exact", "owner__id__exact", "emitter_id__exact", "listener_id__exact")
    ordering = ("-created_at", "-id")


@admin.register(AutoSubscription)
class AutoSubscriptionAdmin(LookOnly):
    list_display = ("id", "owner", "event_name", "listener_id", "created_at", "deleted_at")
    list_select_related = ("owner",)
    search_fields = ("id__exact", "owner__id__exact", "listener_id__exact")
    ordering = ("-created_at", "-id")


@admin.register(Webhook)
class WebhookAdmin(LookOnly):
    list_display = ("id", "owner", "url", "name", "active", "created_at", "deleted_at")
    list_select_related = ("owner",)
    search_fields = ("id__exact", "owner__id__exact")
    ordering = ("-created_at", "-id")
    hidden = ("secret",)


@admin.register(Delivery)
class DeliveryAdmin(LookOnly):
    list_display = ("id", "webhook_id", "emitter_id", "state", "attempts", "next_attempt_at")
    search_fields = ("webhook_id__exact",)
    ordering = ("-id",)
    hidden = ("token",)
    light = ("history",)


@admin.register(FanoutDue)
class FanoutDueAdmin(LookOnly):
    list_display = ("id", "source_id", "channel", "ms", "n", "due_at")
    search_fields = ("source_id__exact",)
    ordering = ("-id",)


@admin.register(HeldBack)
class HeldBackAdmin(LookOnly):
    list_display = ("id", "listener_id", "subscription_id", "emitter_id", "channel", "ms", "n")
    search_fields = ("listener_id__exact",)
    ordering = ("-id",)
