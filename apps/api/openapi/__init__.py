"""The description of the API: OpenAPI 3.1, one file per resource (docs/decisions/0030-openapi.md).

Written down once, in these files, and held to the truth by tests: each route and method of
`apps.api.urls` is here and nothing else is, every answer that the tests of the API get is one that
is declared here, and every example is one.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from apps.api.openapi import (
    accounts,
    components,
    errors,
    events,
    platform,
    runs,
    sources,
    subscriptions,
    users,
    webhooks,
)
from apps.api.openapi.parts import Operation, render

_PARTS = (users, components, sources, events, runs, subscriptions, webhooks, accounts, platform)
_TAGS = {
    "users": "The caller.",
    "components": "Code, saved or of the registry.",
    "sources": "Deployed components.",
    "events": "What sources emit.",
    "runs": "What ran, and when.",
    "subscriptions": "Who listens to whom.",
    "webhooks": "Events posted to addresses of yours.",
    "accounts": "Credentials that components use at other services.",
    "endpoints": "HTTP endpoints of sources: no key needed.",
    "platform": "About the platform itself: no key needed.",
}
_INTRODUCTION = (
    "Components are code; deployed, they are sources. A timer, an HTTP request or another source's"
    " event runs them; what they emit is kept and carried on.\n\n"
    "Every path works with and without a last slash. Send `Authorization: Bearer <api key>`; each"
    " call needs the scope of the key that its `security` names, `read` or `write`."
    " `POST`, `PUT` and `DELETE` read their parameters from the query and from a JSON body."
    " Unknown parameters are ignored. An id of somebody else is answered like one that does not"
    " exist."
)
_PAGE_INFO = {
    "type": "object",
    "required": ["total_count", "count", "start_cursor", "end_cursor"],
    "properties": {
        "total_count": {"type": "integer", "minimum": 0, "description": "On all pages."},
        "count": {"type": "integer", "minimum": 0, "description": "On this page."},
        "start_cursor": {"type": ["string", "null"]},
        "end_cursor": {"type": ["string", "null"]},
    },
}


def operations() -> list[Operation]:
    return [operation for part in _PARTS for operation in part.OPERATIONS]


@cache
def document() -> dict[str, Any]:
    """The whole document. Shared: not to be changed."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations():
        paths.setdefault(operation.full_path, {})[operation.method] = render(operation)
    schemas: dict[str, Any] = {"Error": errors.SCHEMA, "PageInfo": _PAGE_INFO}
    for part in _PARTS:
        schemas |= part.SCHEMAS
    return {
        "openapi": "3.1.0",
        "info": {"title": "Headwater", "version": "1", "description": _INTRODUCTION},
        "security": [{"key": []}],
        "tags": [{"name": name, "description": about} for name, about in _TAGS.items()],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas,
            "responses": errors.responses(),
        },
    }
