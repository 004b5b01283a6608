"""Deployed components: made, changed, run, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.api.openapi.components import COMPONENT_ID
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
)
from apps.api.openapi.saved_code import CODE, CODE_BODY

EXAMPLE: dict[str, Any] = {
    "id": "dc_abc123",
    "user_id": "u_abc123",
    "component_id": "sc_abc123",
    "configured_props": {"timer": {"cron": None, "interval_seconds": 60}},
    "active": True,
    "created_at": 1589486978,
    "updated_at": 1589486978,
    "name": "every-minute",
    "name_slug": "every-minute",
    "concurrency": 1,
    "rate_limit": None,
}

SCHEMAS = {
    "Source": resource(
        "A deployed component.",
        {
            "id": {"type": "string", "pattern": "^dc_[0-9A-Za-z]{6,}$"},
            "user_id": {"type": "string", "pattern": "^u_"},
            "component_id": {"type": "string", "pattern": "^sc_"},
            "configured_props": {
                "type": "object",
                "description": "Timers as `{cron, interval_seconds}`, HTTP props as"
                " `{endpoint_url}`, secrets masked, stores not at all.",
            },
            "active": {"type": "boolean"},
            "created_at": EPOCH_S,
            "updated_at": EPOCH_S,
            "name": {"type": "string"},
            "name_slug": {"type": "string", "description": "Unique among your sources."},
            "concurrency": {"type": "integer", "minimum": 1, "maximum": 64},
            "rate_limit": {
                "type": ["integer", "null"],
                "description": "Requests a second that its endpoint takes; null: no limit.",
            },
        },
    ),
}

_NAME = maybe(
    label("For people. Absent: the component's name as a slug.", 255)
    | {"examples": ["every-minute"]}
)
_CHANGES: dict[str, Schema] = {
    "component_id": COMPONENT_ID,
    **CODE_BODY,
    "configured_props": maybe(
        {
            "type": "object",
            "description": "Values of the component's props by name; other names are refused.",
        }
    ),
    "active": maybe({"type": "boolean"}),
    "concurrency": maybe(
        {
            "type": "integer",
            "minimum": 1,
            "maximum": 64,
            "description": "Runs at once, for HTTP sources.",
        }
    ),
    "rate_limit": maybe(
        {
            "type": "integer",
            "minimum": 1,
            "maximum": 1_000_000,
            "description": "Requests a second; null: no limit.",
        }
    ),
}

ONE = Answer("The source.", single(ref("Source")), {"data": EXAMPLE})
SOURCE_ID = {"path.source_id": "$response.body#/data/id"}
LINKS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "read": ("getSource", SOURCE_ID),
    "change": ("updateSource", SOURCE_ID),
    "run": ("runSource", SOURCE_ID),
    "events": ("listEvents", SOURCE_ID),
    "errors": ("listErrors", SOURCE_ID),
    "logs": ("listLogs", SOURCE_ID),
    "plainEvents": ("listPlainEvents", SOURCE_ID),
    "deleteEvents": ("deleteEvents", SOURCE_ID),
    "runs": ("listRuns", SOURCE_ID),
    "ticks": ("listTicks", SOURCE_ID),
    "suppressed": ("listSuppressed", SOURCE_ID),
    "replay": ("replaySource", SOURCE_ID),
    "listen": ("subscribe", {"query.listener_id": "$response.body#/data/id"}),
    "emit": ("subscribe", {"query.emitter_id": "$response.body#/data/id"}),
    "delete": ("deleteSource", SOURCE_ID),
}

OPERATIONS = [
    Operation(
        "get",
        "users/me/sources",
        "listSources",
        "sources",
        "List your sources, newest first",
        {200: Answer("A page.", listing(ref("Source")), page_of(EXAMPLE, "ZGNfYWJjMTIz"))},
        paged=True,
        links={"first": ("getSource", {"path.source_id": "$response.body#/data/0/id"})},
    ),
    Operation(
        "post",
        "sources",
        "createSource",
        "sources",
        "Deploy a component",
        {200: ONE},
        "Stores the source, makes its endpoint and timer, runs its `deploy` and `activate` hooks,"
        " then answers. When a hook fails nothing is kept (400 `hook_failed`).",
        body={
            "name": _NAME,
            **_CHANGES,
            "emit_on_deploy": maybe(
                {
                    "type": "boolean",
                    "default": True,
                    "description": "Whether events of the `deploy` hook are kept.",
                }
            ),
        },
        body_example={
            "component_code": CODE,
            "name": "every-minute",
            "configured_props": {"timer": {"intervalSeconds": 60}},
        },
        any_of=("component_id", "component_code", "component_url"),
        errors=(409, 422),
        links=LINKS,
    ),
    Operation(
        "get",
        "sources/{source_id}",
        "getSource",
        "sources",
        "Read a source",
        {200: ONE},
    ),
    Operation(
        "put",
        "sources/{source_id}",
        "updateSource",
        "sources",
        "Change a source",
        {200: ONE},
        "Only what is given changes; of `configured_props` each prop by itself, null puts its"
        " default back. State, events and endpoint stay. 409 while a run goes on for longer than"
        " a change waits.",
        body={"name": _NAME, **_CHANGES},
        body_example={"active": False},
        errors=(409, 422),
    ),
    Operation(
        "delete",
        "sources/{source_id}",
        "deleteSource",
        "sources",
        "Delete a source",
        {204: Answer("Gone, with its events, endpoint and subscriptions.")},
        "Runs `deactivate` first.",
        query=(
            Parameter(
                "ignore_hook_errors",
                YES_OR_NO,
                "`false`: the source stays, and the answer is 400, when `deactivate` fails.",
            ),
        ),
        errors=(409,),
        selects=False,
        links={},
    ),
    Operation(
        "post",
        "sources/{source_id}/run",
        "runSource",
        "sources",
        "Run a source now",
        {202: Answer("The run is queued.")},
        "The JSON body, `{}` without one, is the event that `run` gets.",
        body_example={"answer": 42},
        selects=False,
        free_body=True,
        links={},
    ),
]
