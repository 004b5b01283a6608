"""Addresses that receive events, and what became of each delivery."""

from __future__ import annotations

from typing import Any

from apps.api.openapi.labels import label
from apps.api.openapi.parts import (
    EPOCH_MS,
    EPOCH_S,
    EVENT_ID,
    YES_OR_NO,
    Answer,
    Operation,
    Parameter,
    Schema,
    listing,
    maybe,
    page_of,
    ref,
    resource,
    single,
    text,
)

EXAMPLE: dict[str, Any] = {
    "id": "wh_abc123",
    "user_id": "u_abc123",
    "name": None,
    "description": None,
    "url": "https://example.org/hook",
    "active": True,
    "created_at": 1589486978,
    "updated_at": 1589486978,
}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  (an example)
DELIVERY: dict[str, Any] = {
    "id": "17",
    "event_id": "1589486981597-0",
    "emitter_id": "dc_abc123",
    "state": "delivered",
    "attempts": [{"at_ms": 1589486981700, "status": 200, "duration_ms": 41}],
    "next_attempt_at_ms": None,
}

_FIELDS: dict[str, Schema] = {
    "id": {"type": "string", "pattern": "^wh_[0-9A-Za-z]{6,}$"},
    "user_id": {"type": "string", "pattern": "^u_"},
    "name": {"type": ["string", "null"]},
    "description": {"type": ["string", "null"]},
    "url": {"type": "string"},
    "active": {"type": "boolean"},
    "created_at": EPOCH_S,
    "updated_at": EPOCH_S,
}
SCHEMAS = {
    "Webhook": resource("An address that events are posted to.", _FIELDS),
    "WebhookWithSecret": resource(
        "The webhook and its signing secret, which no other answer shows.",
        {**_FIELDS, "secret": {"type": "string", "pattern": "^whsec_"}},
    ),
    "Delivery": resource(
        "One event on its way to a webhook.",
        {
            "id": {"type": "string", "pattern": "^[0-9]+$"},
            "event_id": EVENT_ID,
            "emitter_id": {"type": "string", "pattern": "^dc_"},
            "state": {"type": "string", "enum": ["pending", "delivered", "dead"]},
            "attempts": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["at_ms", "duration_ms"],
                    "properties": {
                        "at_ms": EPOCH_MS,
                        "status": {"type": "integer"},
                        "error": {"type": "string"},
                        "duration_ms": {"type": "integer", "minimum": 0},
                    },
                },
            },
            "next_attempt_at_ms": {"type": ["integer", "null"]},
        },
    ),
}

# What every URL that is taken looks like (`apps.core.addresses.Target`). That a host is public, and
# written so that a name server could know it, is no matter of patterns.
_TAKEN = (
    r"^[Hh][Tt][Tt][Pp][Ss]?://"
    r"(\[[0-9A-Fa-f:.]+\]|[^\x00-\x20\x7f-\x9f\\\u2028\u2029/?#@:\[\]]+)(:[0-9]*)?"
    r"([/?#][^\x00-\x20\x7f-\x9f\\\u2028\u2029]*)?$"
)
_ALWAYS = r"^https?://[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?\.(com|org|net)(/[0-9A-Za-z_-]{0,40})?$"
_URL: Schema = {
    "type": "string",
    "maxLength": 2048,
    "anyOf": [
        {"pattern": _ALWAYS, "description": "For example; always taken."},
        {
            "pattern": _TAKEN,
            "description": "`http` or `https`, without a user name, at most 2048 bytes of UTF-8;"
            " taken when the host is no private or reserved address and not this machine.",
        },
    ],
    "description": "Any `http` or `https` URL with a public host.",
    "examples": ["https://example.org/hook"],
}
_NAME = label("For people.", 255)
_DESCRIPTION = text("For people.", maxLength=4096)
_ONE = Answer("The webhook.", single(ref("Webhook")), {"data": EXAMPLE})
_SHOWN_ONCE = Answer(
    "The webhook and its secret.",
    single(ref("WebhookWithSecret")),
    {"data": {**EXAMPLE, "secret": SECRET}},
)
_ID = {"path.webhook_id": "$response.body#/data/id"}

OPERATIONS = [
    Operation(
        "get",
        "users/me/webhooks",
        "listWebhooks",
        "webhooks",
        "List your webhooks, newest first",
        {200: Answer("A page.", listing(ref("Webhook")), page_of(EXAMPLE, "d2hfYWJjMTIz"))},
        paged=True,
        links={"first": ("getWebhook", {"path.webhook_id": "$response.body#/data/0/id"})},
    ),
    Operation(
        "post",
        "webhooks",
        "createWebhook",
        "webhooks",
        "Make a webhook",
        {200: _SHOWN_ONCE},
        "Receives nothing until it is subscribed. The parameters may stand in a JSON body instead;"
        " the query wins.",
        query=(
            Parameter("url", _URL, "Where events are posted to.", required=True),
            Parameter("name", _NAME, "For people."),
            Parameter("description", _DESCRIPTION, "For people."),
        ),
        links={
            "read": ("getWebhook", _ID),
            "change": ("updateWebhook", _ID),
            "rotate": ("rotateWebhookSecret", _ID),
            "deliveries": ("listDeliveries", _ID),
            "replay": ("replayDeliveries", _ID),
            "listen": ("subscribe", {"query.listener_id": "$response.body#/data/id"}),
            "delete": ("deleteWebhook", _ID),
        },
    ),
    Operation(
        "get",
        "webhooks/{webhook_id}",
        "getWebhook",
        "webhooks",
        "Read a webhook",
        {200: _ONE},
    ),
    Operation(
        "put",
        "webhooks/{webhook_id}",
        "updateWebhook",
        "webhooks",
        "Change a webhook",
        {200: _ONE},
        "Only what is given changes. The parameters may stand in a JSON body instead; the query"
        " wins.",
        query=(
            Parameter("url", _URL, "Where events are posted to."),
            Parameter("name", _NAME, "For people."),
            Parameter("description", _DESCRIPTION, "For people."),
            Parameter(
                "active", YES_OR_NO, "An inactive webhook receives nothing.", example="false"
            ),
        ),
    ),
    Operation(
        "delete",
        "webhooks/{webhook_id}",
        "deleteWebhook",
        "webhooks",
        "Delete a webhook",
        {204: Answer("Gone, with its subscriptions.")},
        selects=False,
    ),
    Operation(
        "post",
        "webhooks/{webhook_id}/rotate_secret",
        "rotateWebhookSecret",
        "webhooks",
        "Give a webhook a new secret",
        {200: _SHOWN_ONCE},
        "For a day the old one signs as well.",
    ),
    Operation(
        "get",
        "webhooks/{webhook_id}/deliveries",
        "listDeliveries",
        "webhooks",
        "List deliveries and their attempts, newest first",
        {200: Answer("A page.", listing(ref("Delivery")), page_of(DELIVERY, "MTc"))},
        query=(
            Parameter(
                "state",
                {"type": "string", "enum": ["pending", "delivered", "dead"]},
                "Only those in this state.",
            ),
        ),
        paged=True,
    ),
    Operation(
        "post",
        "webhooks/{webhook_id}/replay",
        "replayDeliveries",
        "webhooks",
        "Deliver once more",
        {202: Answer("Queued.")},
        "Either some deliveries by id, or with `state` all dead ones.",
        body={
            "delivery_ids": maybe(
                {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 10_000,
                    "items": {"type": "string", "pattern": "^[1-9][0-9]{0,17}$"},
                }
            ),
            "state": maybe({"type": "string", "enum": ["dead"]}),
        },
        body_example={"state": "dead"},
        one_of=("delivery_ids", "state"),
        errors=(409,),
        selects=False,
    ),
]
