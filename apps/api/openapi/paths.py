"""The parameters that stand in paths, each described once."""

from __future__ import annotations

from typing import Any

_Schema = dict[str, Any]


def _like(pattern: str) -> _Schema:
    return {"type": "string", "pattern": f"^{pattern}$"}


def _id(prefix: str) -> _Schema:
    return _like(f"{prefix}_[0-9A-Za-z]{{6}}")


# name → (schema, description, example)
_PARAMETERS: dict[str, tuple[_Schema, str, str]] = {
    "source_id": (_id("dc"), "A source of yours.", "dc_abc123"),
    "key_or_id": (
        _like("[0-9A-Za-z][0-9A-Za-z_-]*"),
        "The id of a component, or the `key` in the code of one of yours.",
        "sc_JDi8EB",
    ),
    "key": (
        _like("[0-9a-z][0-9a-z_-]*"),
        "The key of a component of the registry.",
        "rss-new-item-in-feed",
    ),
    "prop": (_like("[A-Za-z_$][0-9A-Za-z_$]*"), "The name of a prop.", "url"),
    "run_id": (
        {"type": "string", "format": "uuid"},
        "A run of one of your sources.",
        "6c0c3bd4-2c4f-5a6e-9c27-0a4a4a6b1f0e",
    ),
    "webhook_id": (_id("wh"), "A webhook of yours.", "wh_abc123"),
    "account_id": (_id("apn"), "A connected account of yours.", "apn_abc123"),
    "app": (
        _like("[A-Za-z0-9_][A-Za-z0-9_-]{0,63}"),
        "The slug of an app, as components name it.",
        "zoom",
    ),
    "event_name": (
        {"type": "string", "minLength": 1, "maxLength": 200},
        "The name of an event, as components of the app name it.",
        "meeting.started",
    ),
    "key_id": (_id("key"), "An API key of yours.", "key_abc123"),
    "endpoint_key": (
        _like("[0-9a-z]{24,32}"),
        "The secret part of a source's `endpoint_url`.",
        "0a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d",
    ),
}

PATH_PARAMETERS: dict[str, _Schema] = {
    name: {"schema": schema, "description": description, "example": example}
    for name, (schema, description, example) in _PARAMETERS.items()
}
