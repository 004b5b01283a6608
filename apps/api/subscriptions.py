"""`/subscriptions` and `/auto_subscriptions`: who listens to whom (REST specification 7).

Their parameters stand in the query, documented so; the body is read too, the query wins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from apps.api.answers import empty, listing, single
from apps.api.paging import encode_cursor, page_info, read_page
from apps.api.params import Params, missing
from apps.api.scopes import READ, WRITE, needs
from apps.api.views import ApiView
from apps.core.errors import invalid
from apps.subscriptions import services
from apps.subscriptions.models import AutoSubscription, Subscription

M = TypeVar("M", bound=Model)


def fields_of(subscription: Subscription) -> dict[str, Any]:
    return {
        "id": subscription.id,
        "emitter_id": subscription.emitter_id,
        "listener_id": subscription.listener_id,
        "event_name": subscription.event_name,
    }


def rule_fields(rule: AutoSubscription) -> dict[str, Any]:
    return {"id": rule.id, "listener_id": rule.listener_id, "event_name": rule.event_name}


class Subscriptions(ApiView):
    query_wins = True

    @needs(WRITE)
    def post(self, _request: Request) -> HttpResponse:
        selection = self.selection()
        made = services.subscribe(self.user, *_triple(self.params()))
        return single(fields_of(made), selection)

    @needs(WRITE)
    def delete(self, _request: Request) -> HttpResponse:
        services.unsubscribe(self.user, *_triple(self.params()))
        return empty(204)


class MySubscriptions(ApiView):
    @needs(READ)
    def get(self, _request: Request) -> HttpResponse:
        return _listed(self, Subscription.objects.filter(owner=self.user), fields_of)


class AutoSubscriptions(ApiView):
    query_wins = True

    @needs(WRITE)
    def post(self, _request: Request) -> HttpResponse:
        selection = self.selection()
        made = services.add_rule(self.user, *_rule(self.params()))
        return single(rule_fields(made), selection)

    @needs(WRITE)
    def delete(self, _request: Request) -> HttpResponse:
        services.remove_rule(self.user, *_rule(self.params()))
        return empty(204)


class MyAutoSubscriptions(ApiView):
    @needs(READ)
    def get(self, _request: Request) -> HttpResponse:
        return _listed(
            self, AutoSubscription.objects.filter(owner=self.user), rule_fields, whole=False
        )


def _required(params: Params, name: str) -> str:
    value = params.text(name)
    if not value:
        raise missing(name)
    return value


def _triple(params: Params) -> tuple[str, str, str]:
    """Emitter, listener, channel; an absent channel is the default one (7.3)."""
    emitter_id, listener_id = _required(params, "emitter_id"), _required(params, "listener_id")
    return emitter_id, listener_id, params.text("event_name") or ""


def _rule(params: Params) -> tuple[str, str]:
    listener_id, event_name = _required(params, "listener_id"), params.text("event_name")
    if event_name is None:
        raise missing("event_name")
    if not event_name:
        raise invalid(
            "event_name",
            "event_name must not be empty: in double quotes a shell takes $errors for a variable"
            " of its own; put the URL in single quotes",
        )
    return listener_id, event_name


def _listed(
    view: ApiView, own: QuerySet[M], fields: Callable[[M], dict[str, Any]], *, whole: bool = True
) -> HttpResponse:
    """A page; with `whole` and no parameter of paging, everything (7.4)."""
    params, selection = view.params(), view.selection()
    standing = own.filter(deleted_at=None)
    if whole and not any(params.given(name) for name in ("limit", "after", "before")):
        items = list(standing.order_by("-created_at", "-id"))
        info = page_info(len(items), [encode_cursor(str(item.pk)) for item in items])
        return listing(map(fields, items), info, selection)
    page = read_page(params, standing, own)
    return listing(map(fields, page.items), page.info, selection)
