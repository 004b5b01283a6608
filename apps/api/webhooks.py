"""`/webhooks`: addresses that receive events, and what became of each (REST specification 8).

Their parameters stand in the query, documented so; the body is read too, the query wins.
"""

from __future__ import annotations

import re
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from apps.api.answers import empty, listing, single
from apps.api.paging import (
    decode_cursor,
    encode_cursor,
    invalid_cursor,
    page_info,
    read_limit,
    read_page,
)
from apps.api.params import Params, missing
from apps.api.scopes import READ, WRITE, needs
from apps.api.views import ApiView
from apps.core.errors import invalid
from apps.subscriptions import webhooks
from apps.subscriptions.models import Delivery, Webhook

DESCRIPTION_BYTES = 4096
_DELIVERY_ID = re.compile(r"[1-9][0-9]{0,17}")


def fields_of(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "user_id": webhook.owner_id,
        "name": webhook.name,
        "description": webhook.description,
        "url": webhook.url,
        "active": webhook.active,
        "created_at": int(webhook.created_at.timestamp()),
        "updated_at": int(webhook.updated_at.timestamp()),
    }


def delivery_fields(delivery: Delivery) -> dict[str, Any]:
    """`next_attempt_at_ms` is null when there is no next attempt."""
    pending = delivery.state == "pending"
    return {
        "id": str(delivery.id),
        "event_id": f"{delivery.ms}-{delivery.n}",
        "emitter_id": delivery.emitter_id,
        "state": delivery.state,
        "attempts": delivery.history,
        "next_attempt_at_ms": int(delivery.next_attempt_at.timestamp() * 1000) if pending else None,
    }


class WebhookView(ApiView):
    query_wins = True

    def find(self, webhook_id: str) -> Webhook:
        return webhooks.find(self.user, webhook_id)


class Webhooks(WebhookView):
    @needs(WRITE)
    def post(self, _request: Request) -> HttpResponse:
        params, selection = self.params(), self.selection()
        url = params.text("url")
        if not url:
            raise missing("url")
        made, secret = webhooks.create(self.user, url, params.label("name"), _description(params))
        return single(fields_of(made) | {"secret": secret}, selection)


class MyWebhooks(ApiView):
    @needs(READ)
    def get(self, _request: Request) -> HttpResponse:
        own = Webhook.objects.filter(owner=self.user)
        page = read_page(self.params(), own.filter(deleted_at=None), own)
        return listing(map(fields_of, page.items), page.info, self.selection())


class OneWebhook(WebhookView):
    @needs(READ)
    def get(self, _request: Request, webhook_id: str) -> HttpResponse:
        return single(fields_of(self.find(webhook_id)), self.selection())

    @needs(WRITE)
    def put(self, _request: Request, webhook_id: str) -> HttpResponse:
        webhook, params, selection = self.find(webhook_id), self.params(), self.selection()
        changed = webhooks.change(
            webhook,
            url=params.text("url"),
            name=params.label("name"),
            description=_description(params),
            active=params.boolean("active"),
        )
        return single(fields_of(changed), selection)

    @needs(WRITE)
    def delete(self, _request: Request, webhook_id: str) -> HttpResponse:
        webhooks.delete(self.find(webhook_id))
        return empty(204)


class RotateSecret(WebhookView):
    @needs(WRITE)
    def post(self, _request: Request, webhook_id: str) -> HttpResponse:
        webhook, selection = self.find(webhook_id), self.selection()
        rotated, secret = webhooks.rotate(webhook)
        return single(fields_of(rotated) | {"secret": secret}, selection)


class Deliveries(WebhookView):
    @needs(READ)
    def get(self, _request: Request, webhook_id: str) -> HttpResponse:
        webhook, params = self.find(webhook_id), self.params()
        own = Delivery.objects.filter(webhook_id=webhook.id)
        listed = own
        if state := params.text("state"):
            if state not in webhooks.STATES:
                raise invalid("state", f"state must be one of {', '.join(webhooks.STATES)}")
            listed = own.filter(state=state)
        items = _page(params, listed, own)
        info = page_info(listed.count(), [encode_cursor(str(item.id)) for item in items])
        return listing(map(delivery_fields, items), info, self.selection())


class ReplayDeliveries(WebhookView):
    @needs(WRITE)
    def post(self, _request: Request, webhook_id: str) -> HttpResponse:
        webhook, params = self.find(webhook_id), self.params()
        ids, state = params.array("delivery_ids"), params.text("state")
        if (ids is None) == (state is None):
            raise missing("delivery_ids", "state")
        if state is not None and state != "dead":
            raise invalid("state", "state must be dead: nothing else is replayed as a whole")
        chosen = None if ids is None else _delivery_ids(ids)
        webhooks.replay(webhook, chosen, self.user.id)
        return empty(202)


def _description(params: Params) -> str | None:
    return params.text("description", max_bytes=DESCRIPTION_BYTES)


def _delivery_ids(values: list[Any]) -> list[int]:
    if not 1 <= len(values) <= webhooks.REPLAY_LIMIT:
        raise invalid("delivery_ids", f"delivery_ids must hold 1 to {webhooks.REPLAY_LIMIT} ids")
    if not all(isinstance(value, str) and _DELIVERY_ID.fullmatch(value) for value in values):
        raise invalid("delivery_ids", "delivery_ids must hold ids of deliveries, as text")
    return [int(value) for value in values]


def _page(params: Params, listed: QuerySet[Delivery], own: QuerySet[Delivery]) -> list[Delivery]:
    """Newest first: ids rise."""
    limit = read_limit(params)
    after, before = _place(params, "after", own), _place(params, "before", own)
    rows = listed
    if after is not None:
        rows = rows.filter(id__lt=after)
    if before is not None:
        rows = rows.filter(id__gt=before)
    if before is not None and after is None:
        return list(rows.order_by("id")[:limit])[::-1]
    return list(rows.order_by("-id")[:limit])


def _place(params: Params, parameter: str, own: QuerySet[Delivery]) -> int | None:
    cursor = params.text(parameter)
    if not cursor:
        return None
    text = decode_cursor(cursor) or ""
    if not _DELIVERY_ID.fullmatch(text) or not own.filter(id=int(text)).exists():
        raise invalid_cursor(parameter)
    return int(text)
