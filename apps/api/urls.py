"""The contract on a page: every route of the API, under `/v1`, each with and without a last slash.

No route redirects: clients drop the body or the key on one (REST specification T8).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.http.response import HttpResponseBase
from django.urls import URLPattern, re_path

from apps.api import (
    accounts,
    apphooks,
    components,
    connect,
    dry_run,
    events,
    keys,
    metrics,
    options,
    pages,
    replay,
    runs,
    search,
    sources,
    subscriptions,
    suppressed,
    ticks,
    users,
    webhooks,
)
from apps.api.sse import streams
from apps.api.views import unknown_route
from apps.events.reading import ERRORS, LOGS

View = Callable[..., HttpResponseBase]

ROUTES: list[tuple[str, View]] = [
    ("users/me", users.Me.as_view()),
    ("users/me/sources", sources.MySources.as_view()),
    ("users/me/accounts", accounts.MyAccounts.as_view()),
    ("users/me/keys", keys.Keys.as_view()),
    ("users/me/keys/{key_id}", keys.OneKey.as_view()),
    ("users/me/components", components.MyComponents.as_view()),
    ("components", components.Components.as_view()),
    ("components/search", search.Search.as_view()),
    ("components/dry_run", dry_run.DryRun.as_view()),
    ("components/registry/{key}", components.RegistryComponent.as_view()),
    ("components/{key_or_id}", components.OneComponent.as_view()),
    ("components/{key_or_id}/props/{prop}/options", options.Options.as_view()),
    ("sources", sources.Sources.as_view()),
    ("sources/{source_id}", sources.OneSource.as_view()),
    ("sources/{source_id}/run", sources.RunSource.as_view()),
    ("sources/{source_id}/event_summaries", events.EventSummaries.as_view()),
    (
        "sources/{source_id}/$errors/event_summaries",
        events.EventSummaries.as_view(channel=ERRORS),
    ),
    ("sources/{source_id}/$logs/event_summaries", events.EventSummaries.as_view(channel=LOGS)),
    ("sources/{source_id}/events", events.Events.as_view()),
    ("sources/{source_id}/sse", streams.SourceStream.as_view()),
    ("sources/{source_id}/runs", runs.SourceRuns.as_view()),
    ("sources/{source_id}/ticks", ticks.Ticks.as_view()),
    ("sources/{source_id}/suppressed", suppressed.Suppressed.as_view()),
    ("sources/{source_id}/replay", replay.ReplaySource.as_view()),
    ("runs/{run_id}", runs.OneRun.as_view()),
    ("runs/{run_id}/rerun", runs.RerunRun.as_view()),
    ("subscriptions", subscriptions.Subscriptions.as_view()),
    ("users/me/subscriptions", subscriptions.MySubscriptions.as_view()),
    ("auto_subscriptions", subscriptions.AutoSubscriptions.as_view()),
    ("users/me/auto_subscriptions", subscriptions.MyAutoSubscriptions.as_view()),
    ("connect/{app}", connect.Connect.as_view()),
    ("accounts", accounts.Accounts.as_view()),
    ("accounts/{account_id}", accounts.OneAccount.as_view()),
    ("apphooks/{app}/{event_name}", apphooks.AppHooks.as_view()),
    ("webhooks", webhooks.Webhooks.as_view()),
    ("webhooks/{webhook_id}", webhooks.OneWebhook.as_view()),
    ("webhooks/{webhook_id}/rotate_secret", webhooks.RotateSecret.as_view()),
    ("webhooks/{webhook_id}/deliveries", webhooks.Deliveries.as_view()),
    ("webhooks/{webhook_id}/replay", webhooks.ReplayDeliveries.as_view()),
    ("users/me/webhooks", webhooks.MyWebhooks.as_view()),
]

# Where published clients look for event streams (REST specification 9); not below `/v1`.
ALIASES: list[tuple[str, View]] = [
    ("sources/{source_id}/sse", streams.SourceStream.as_view()),
    ("sse/dc/{source_id}/emits", streams.SourceStream.as_view()),
    ("sse/dc/{source_id}/observations", streams.SourceLogStream.as_view()),
]

# Open without a key (design section 7).
OPEN: list[tuple[str, View]] = [("openapi.json", pages.openapi), ("docs", pages.docs)]


def _pattern(route: str, view: View, base: str = "v1/") -> URLPattern:
    parts: list[Any] = re.split(r"\{(\w+)\}", route)
    parts[::2] = [re.escape(literal) for literal in parts[::2]]
    parts[1::2] = [f"(?P<{name}>[^/]+)" for name in parts[1::2]]
    return re_path(rf"^{base}{''.join(parts)}/?\Z", view, name=route)


urlpatterns = [
    *(_pattern(route, view) for route, view in ROUTES),
    *(_pattern(route, view, "(?:v1/)?") for route, view in ALIASES),
    *(_pattern(route, view) for route, view in OPEN),
    re_path(r"^\Z", pages.home, name="home"),
    _pattern("metrics", metrics.Metrics.as_view(), ""),
    re_path(r"^connect/callback/?\Z", connect.callback, name="connect callback"),
    re_path(r"^connect/(?P<ticket>[\w-]{43})/?\Z", connect.ticket, name="connect ticket"),
    re_path(r"^v1(?:/|\Z)", unknown_route, name="unknown"),
]
