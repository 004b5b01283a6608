"""The caller, and its API keys."""

from __future__ import annotations

from typing import Any

from apps.accounts.scopes import SCOPES
from apps.api.openapi.labels import label
from apps.api.openapi.parts import (
    EPOCH_S,
    Answer,
    Operation,
    Schema,
    maybe,
    ref,
    resource,
    single,
    whole,
)

EXAMPLE = {
    "id": "u_aPmhl8",
    "username": "ada",
    "email": "ada@example.org",
    "admin": False,
    "api_key": "hw_the_key_of_this_request",
    "daily_compute_time_quota": 9007199254740991,
    "daily_compute_time_used": 8420,
    "daily_invocations_quota": 9007199254740991,
    "daily_invocations_used": 249,
}
KEY: dict[str, Any] = {
    "id": "key_abc123",
    "prefix": "hw_aPmhl8",
    "name": "laptop",
    "scopes": ["*"],
    "created_at": 1589486978,
    "last_used_at": None,
    "expires_at": None,
}
_MAYBE_S: Schema = {**EPOCH_S, "type": ["integer", "null"]}
_SCOPES: Schema = {"type": "array", "items": {"type": "string", "enum": list(SCOPES)}}
_KEY_FIELDS: dict[str, Schema] = {
    "id": {"type": "string"},
    "prefix": {"type": "string", "description": "How the key begins."},
    "name": {"type": "string"},
    "scopes": {
        **_SCOPES,
        "description": "`read`: what looks and changes nothing; `write`: what changes something or"
        " runs code; `*`: everything.",
    },
    "created_at": EPOCH_S,
    "last_used_at": _MAYBE_S,
    "expires_at": _MAYBE_S,
}

SCHEMAS = {
    "ApiKey": resource("An API key, without the key itself.", _KEY_FIELDS),
    "NewApiKey": resource(
        "A new API key: no other answer shows the key itself.",
        {**_KEY_FIELDS, "key": {"type": "string", "pattern": "^hw_"}},
    ),
    "User": resource(
        "The caller, and what is left of the day's quotas (they start anew at 00:00 UTC).",
        {
            "id": {"type": "string", "pattern": "^u_"},
            "username": {"type": "string"},
            "email": {"type": "string"},
            "admin": {"type": "boolean"},
            "api_key": {
                "type": "string",
                "description": "The key of this very request: only a hash of it is stored.",
            },
            "daily_compute_time_quota": whole("Milliseconds a day; 2^53-1 = unlimited."),
            "daily_compute_time_used": whole("Milliseconds."),
            "daily_invocations_quota": whole("Runs and hooks a day; 2^53-1 = unlimited."),
            "daily_invocations_used": whole("Runs and hooks."),
        },
    ),
}

OPERATIONS = [
    Operation(
        "get",
        "users/me",
        "getMe",
        "users",
        "Who am I, and what have I used?",
        {200: Answer("The caller.", single(ref("User")), {"data": EXAMPLE})},
    ),
    Operation(
        "get",
        "users/me/keys",
        "listKeys",
        "users",
        "List your API keys",
        {
            200: Answer(
                "All of them.",
                {
                    "type": "object",
                    "required": ["data"],
                    "properties": {"data": {"type": "array", "items": ref("ApiKey")}},
                },
                {"data": [KEY]},
            )
        },
    ),
    Operation(
        "post",
        "users/me/keys",
        "createKey",
        "users",
        "Make an API key",
        {
            200: Answer(
                "The key, shown this once.",
                single(ref("NewApiKey")),
                {"data": {**KEY, "key": "hw_shown_only_in_this_answer"}},
            )
        },
        "At most 100 at a time (409).",
        body={
            "name": maybe(label("For people.", 100)),
            "scopes": maybe(
                {
                    **_SCOPES,
                    "minItems": 1,
                    "description": "What it may do, at most what the key of this call may (else"
                    " 403), which is also the default.",
                }
            ),
            "expires_at": maybe(
                {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": 253370764799,
                    "description": "When it ends by itself: epoch seconds, a time to come"
                    " (else 400).",
                }
            ),
        },
        body_example={"name": "dashboard", "scopes": ["read"]},
        links={"revoke": ("deleteKey", {"path.key_id": "$response.body#/data/id"})},
    ),
    Operation(
        "delete",
        "users/me/keys/{key_id}",
        "deleteKey",
        "users",
        "Revoke an API key",
        {204: Answer("It answers 401 from now on.")},
        selects=False,
    ),
]
