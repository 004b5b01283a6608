"""Saved code, and the registry of what comes with the platform."""

from __future__ import annotations

from typing import Any

from apps.api.openapi.dry_run import DRY_RUN, EMITTED
from apps.api.openapi.parts import (
    EPOCH_MS,
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
from apps.api.openapi.saved_code import CODE, CODE_BODY, TREE_BODY

EXAMPLE: dict[str, Any] = {
    "id": "sc_JDi8EB",
    "code": CODE,
    "code_hash": "e7b1a18be35cfb4d43a67a72bb9c7c9e9be5a6e3e0a2cb32a3eec0f7a1c3bb51",
    "name": "Hello",
    "version": "0.0.1",
    "configurable_props": [
        {"name": "timer", "type": "$.interface.timer", "default": {"intervalSeconds": 900}}
    ],
    "created_at": 1588866900,
    "updated_at": 1588866900,
    "key": "hello",
    "description": None,
    "component_url": None,
    "type": "source",
    "language": "python",
    "origin": None,
}

_FIELDS: dict[str, Schema] = {
    "id": {"type": "string", "pattern": "^sc_[0-9A-Za-z]{6,}$"},
    "code": {"type": "string", "description": "The code as it was given."},
    "code_hash": {
        "type": "string",
        "pattern": "^[0-9a-f]{64}$",
        "description": "SHA-256 of the code in UTF-8.",
    },
    "name": {"type": "string"},
    "version": {"type": "string"},
    "configurable_props": {
        "type": "array",
        "description": "In the order of the code; attributes as the author named them.",
        "items": {
            "type": "object",
            "required": ["name", "type"],
            "properties": {"name": {"type": "string"}, "type": {"type": "string"}},
        },
    },
    "created_at": EPOCH_S,
    "updated_at": EPOCH_S,
    "key": {"type": ["string", "null"]},
    "description": {"type": ["string", "null"]},
    "component_url": {"type": ["string", "null"], "description": "Where the code came from."},
    "type": {"type": "string", "const": "source"},
    "language": {"type": "string", "enum": ["python", "javascript"]},
    "origin": {
        "type": ["string", "null"],
        "description": "Where a component of the registry comes from; null for your own.",
    },
}
_LISTED = {name: schema for name, schema in _FIELDS.items() if name != "code"}
_LISTED_EXAMPLE = {name: value for name, value in EXAMPLE.items() if name != "code"}

COMPONENT_ID: Schema = maybe(
    text("A component of yours or of the registry; wins over code and URL.")
    | {"pattern": "^sc_[0-9A-Za-z]{6}$"}
)

SCHEMAS = {
    "Options": resource(
        "Choices of a prop.",
        {
            "options": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["label", "value"],
                    "properties": {"label": {"type": "string"}, "value": {}},
                },
            },
            "context": {
                "type": ["object", "null"],
                "description": "To be sent as `prev_context` for the next page.",
            },
        },
    ),
    "Found": resource(
        "What a search found.",
        {
            "sources": {"type": "array", "items": {"type": ["string", "null"]}},
            "actions": {"type": "array", "maxItems": 0, "description": "There are none."},
            "scores": {"type": "array", "items": {"type": "object"}},
        },
        sometimes=("scores",),
    ),
    "DryRun": resource(
        "What a run would have done.",
        {
            "emits": {"type": "array", "items": EMITTED},
            "suppressed": {
                "type": "array",
                "description": "What dedupe would have held back, each with its `reason`.",
                "items": EMITTED,
            },
            "logs": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["ts", "level", "msg"],
                    "properties": {
                        "ts": EPOCH_MS,
                        "level": {"type": "string", "enum": ["info", "warn", "error"]},
                        "msg": {"type": "string"},
                    },
                },
            },
            "db": {"type": "object", "description": "The store's content afterwards."},
            "response": {
                "type": ["object", "null"],
                "description": "What it would have answered: status, headers, body, encoding.",
            },
            "error": {
                "type": ["object", "null"],
                "description": "What it did not catch: code, name, message, stack.",
            },
            "duration_ms": {"type": "integer", "minimum": 0},
        },
    ),
    "Component": resource("Saved code.", _FIELDS),
    "ListedComponent": resource("Saved code, without the code itself.", _LISTED),
}

ONE = Answer("The component.", single(ref("Component")), {"data": EXAMPLE})

OPERATIONS = [
    Operation(
        "get",
        "users/me/components",
        "listComponents",
        "components",
        "List your components, newest first",
        {
            200: Answer(
                "A page.", listing(ref("ListedComponent")), page_of(_LISTED_EXAMPLE, "c2NfSkRpOEVC")
            )
        },
        paged=True,
        links={"first": ("getComponent", {"path.key_or_id": "$response.body#/data/0/id"})},
    ),
    Operation(
        "post",
        "components",
        "createComponent",
        "components",
        "Save code",
        {200: ONE},
        "Loads the code at once and tells its props. Each call makes a new component. 422: the URL,"
        " or a file that the code imports, could not be fetched.",
        body=CODE_BODY | TREE_BODY,
        body_example={"component_code": CODE},
        any_of=("component_code", "component_url"),
        errors=(422,),
        links={"read": ("getComponent", {"path.key_or_id": "$response.body#/data/id"})},
    ),
    Operation(
        "get",
        "components/registry/{key}",
        "getRegistryComponent",
        "components",
        "Read a component of the registry",
        {200: ONE},
        "For every user: the newest with that key, a built-in one before imported ones.",
        query=(
            Parameter(
                "origin", text(maxLength=100), "Only of this origin, such as `npm:pipedream`."
            ),
        ),
        links={"read": ("getComponent", {"path.key_or_id": "$response.body#/data/id"})},
    ),
    Operation(
        "get",
        "components/{key_or_id}",
        "getComponent",
        "components",
        "Read a component",
        {200: ONE},
        "By id, or by the `key` in the code: the newest of yours with that key.",
    ),
    Operation(
        "post",
        "components/{key_or_id}/props/{prop}/options",
        "listOptions",
        "components",
        "Ask a component for the choices of a prop",
        {
            200: Answer(
                "The choices.",
                single(ref("Options")),
                {"data": {"options": [{"label": "main", "value": 1}], "context": {}}},
            )
        },
        "Runs the prop's own `options` function with what is configured so far.",
        body={
            "configured_props": maybe({"type": "object"}),
            "page": maybe({"type": "integer", "minimum": 0, "maximum": 2**31 - 1, "default": 0}),
            "prev_context": maybe(
                {"type": "object", "description": "`context` of the page before."}
            ),
            "query": maybe(text("What the user has typed.", maxLength=4096)),
        },
        body_example={"configured_props": {}, "page": 0},
    ),
    Operation(
        "post",
        "components/dry_run",
        "dryRun",
        "components",
        "Run code once and keep nothing",
        {200: Answer("What it would have done.", single(ref("DryRun")), {"data": DRY_RUN})},
        "Counts as an invocation.",
        body={
            "component_id": COMPONENT_ID,
            "component_code": CODE_BODY["component_code"],
            "language": CODE_BODY["language"],
            "configured_props": maybe({"type": "object"}),
            "event": {"description": "What `run` gets; absent: `{}`."},
            "db": maybe({"type": "object", "description": "The store's content beforehand."}),
            "hook": maybe(
                {
                    "type": "string",
                    "enum": ["deploy", "activate", "deactivate"],
                    "description": "This hook instead of `run`.",
                }
            ),
        },
        body_example={"component_code": CODE, "event": {}},
        any_of=("component_id", "component_code"),
    ),
    Operation(
        "get",
        "components/search",
        "searchComponents",
        "components",
        "Find components by words",
        {
            200: Answer(
                "Keys, the best first.",
                single(ref("Found")),
                {"data": {"sources": ["rss-new-item-in-feed"], "actions": []}},
            )
        },
        query=(
            Parameter(
                "query",
                text(minLength=1, maxLength=1024),
                "Words of a key, a name or a description.",
                required=True,
                example="rss feed",
            ),
            Parameter("app", text(maxLength=200), "Only components of this app."),
            Parameter(
                "similarity_threshold",
                {"type": "number", "minimum": 0, "maximum": 1},
                "Only those with at least this score.",
            ),
            Parameter("debug", YES_OR_NO, "Shows the scores."),
        ),
    ),
]
