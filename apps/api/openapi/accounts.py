"""Connected accounts: credentials for the apps of components."""

from __future__ import annotations

from typing import Any

from apps.api.openapi.labels import label
from apps.api.openapi.parts import (
    EPOCH_S,
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
    "id": "apn_abc123",
    "name": "work",
    "app_slug": "github",
    "created_at": 1589486978,
    "updated_at": 1589486978,
    "expires_at": None,
    "error": None,
}
WAY: dict[str, Any] = {
    "url": "https://headwater.example.org/connect/qk3m9ZyPfT2vD0rXo5sWc8nLbHj1eUaGi4tYxK7uQzA",
    "app_slug": "github",
    "expires_at": 1589487578,
}
CREDENTIALS = {"api_key": "the-key-that-the-service-gave-you"}

SCHEMAS = {
    "Account": resource(
        "An account at the service that an app stands for. No answer shows its credentials.",
        {
            "id": {"type": "string", "pattern": "^apn_[0-9A-Za-z]{6,}$"},
            "name": {"type": "string"},
            "app_slug": {"type": "string"},
            "created_at": EPOCH_S,
            "updated_at": EPOCH_S,
            "expires_at": {
                "type": ["integer", "null"],
                "description": "When the access token of an account connected by OAuth ends: epoch"
                " seconds. It is renewed before.",
            },
            "error": {
                "type": ["string", "null"],
                "description": "Why it could not be renewed.",
            },
        },
    ),
    "ConnectAddress": resource(
        "Where a browser begins to connect an account.",
        {
            "url": {"type": "string", "description": "Works once."},
            "app_slug": {"type": "string"},
            "expires_at": EPOCH_S,
        },
    ),
}

_APP: Schema = {
    "type": "string",
    "pattern": "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$",
    "description": "The slug of the app, as components name it.",
    "examples": ["github"],
}
_NAME = label("For people.", 255)
_CREDENTIALS: Schema = {
    "type": "object",
    "description": "What component code finds in `$auth`, under exactly these names; 64 KB in all.",
    "minProperties": 1,
    "maxProperties": 100,
    "propertyNames": {"pattern": "^[A-Za-z_][0-9A-Za-z_]{0,63}$"},
    "additionalProperties": {
        "type": ["string", "integer", "boolean"],
        "pattern": r"^[^\x00]*$",
        "maxLength": 512,
        "minimum": -9007199254740991,
        "maximum": 9007199254740991,
    },
}
_ONE = Answer("The account.", single(ref("Account")), {"data": EXAMPLE})
_ID = {"path.account_id": "$response.body#/data/id"}
_FILTER = (Parameter("app", text(), "Only those of the app with this slug."),)


def _list(path: str, name: str) -> Operation:
    return Operation(
        "get",
        path,
        name,
        "accounts",
        "List your connected accounts, newest first",
        {200: Answer("A page.", listing(ref("Account")), page_of(EXAMPLE, "YXBuX2FiYzEyMw"))},
        query=_FILTER,
        paged=True,
        links={"first": ("getAccount", {"path.account_id": "$response.body#/data/0/id"})},
    )


OPERATIONS = [
    _list("accounts", "listAccounts"),
    _list("users/me/accounts", "listMyAccounts"),
    Operation(
        "post",
        "accounts",
        "createAccount",
        "accounts",
        "Connect an account",
        {200: _ONE},
        'A source uses it when its app prop is `{"authProvisionId": "apn_…"}`.',
        body={
            "app_slug": _APP,
            "name": maybe(_NAME),
            "credentials": _CREDENTIALS,
        },
        needed=("app_slug", "credentials"),
        body_example={"app_slug": "github", "name": "work", "credentials": CREDENTIALS},
        links={
            "read": ("getAccount", _ID),
            "change": ("updateAccount", _ID),
            "delete": ("deleteAccount", _ID),
        },
    ),
    Operation(
        "get", "accounts/{account_id}", "getAccount", "accounts", "Read an account", {200: _ONE}
    ),
    Operation(
        "put",
        "accounts/{account_id}",
        "updateAccount",
        "accounts",
        "Change an account",
        {200: _ONE},
        "New `credentials` take the place of all the old ones; runs that start from then on have"
        " them.",
        body={"name": maybe(_NAME), "credentials": maybe(_CREDENTIALS)},
        body_example={"credentials": CREDENTIALS},
        errors=(409,),
    ),
    Operation(
        "delete",
        "accounts/{account_id}",
        "deleteAccount",
        "accounts",
        "Delete an account",
        {204: Answer("Gone, credentials and all.")},
        "409 names the sources that use it. With `force` it goes all the same; their next runs"
        " fail and say why.",
        query=(Parameter("force", YES_OR_NO, "Delete it though sources use it."),),
        errors=(409,),
        selects=False,
    ),
    Operation(
        "post",
        "apphooks/{app}/{event_name}",
        "deliverAppHook",
        "accounts",
        "Carry an event of an app to the sources that ask for it",
        {
            202: Answer(
                "A run of each of these sources is queued.",
                single(
                    {
                        "type": "object",
                        "required": ["sources"],
                        "properties": {"sources": {"type": "array", "items": text()}},
                    }
                ),
                {"data": {"sources": ["dc_abc123"]}},
            )
        },
        "For administrators: what a service sends to the whole installation. The JSON body is the"
        " event that `run` gets. Active sources of every user are looked at whose component has an"
        " apphook prop for this app and this event.",
        query=(Parameter("account_id", text(), "Only sources whose app prop names this account."),),
        body_example={"event": "meeting.started", "payload": {"object": {"id": 1}}},
        selects=False,
        free_body=True,
    ),
    Operation(
        "post",
        "connect/{app}",
        "connectAccount",
        "accounts",
        "Connect an account by OAuth",
        {
            200: Answer(
                "An address to open in a browser within ten minutes.",
                single(ref("ConnectAddress")),
                {"data": WAY},
            )
        },
        "The browser is sent to the service, and comes back to a page that shows the account's id."
        " With `account_id` an account is connected again: it keeps its id, and its sources go on.",
        body={
            "name": maybe(_NAME),
            "account_id": maybe({"type": "string", "pattern": "^apn_[0-9A-Za-z]{6}$"}),
        },
        body_example={"name": "work"},
    ),
]
