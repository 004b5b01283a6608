"""Every error of the API: status, when, and an example as it is answered (REST spec. 3 and 4)."""

from __future__ import annotations

from typing import Any

from apps.api.openapi.parts import ref

# status → (when, example of the body, headers that come with it)
ERRORS: dict[int, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    400: (
        "A parameter is missing or wrong, the body is not JSON, code does not load, a hook failed."
        " The text names the parameter.",
        {
            "error": "limit must be between 1 and 100",
            "code": "invalid_parameter",
            "details": {"parameter": "limit"},
        },
        (),
    ),
    401: (
        "No API key, a wrong or a revoked one. Checked before everything else.",
        {
            "error": "an API key is required: send Authorization: Bearer <api key>",
            "code": "unauthorized",
        },
        ("WWW-Authenticate",),
    ),
    403: (
        "The API key lacks the scope of this call, which `security` names. Checked before an id is"
        " looked at.",
        {
            "error": "this needs an API key with the scope write; the one that was sent has read",
            "code": "insufficient_scope",
            "details": {"scope": "write"},
        },
        ("WWW-Authenticate",),
    ),
    404: (
        "There is no such thing, or it is somebody else's.",
        {"error": "not found", "code": "not_found"},
        (),
    ),
    405: (
        "The route is there, this method of it is not.",
        {
            "error": "TRACE is not allowed here; allowed: GET, HEAD",
            "code": "method_not_allowed",
        },
        ("Allow",),
    ),
    408: (
        "The body did not arrive in time.",
        {"error": "the body did not arrive in 30 s", "code": "timeout"},
        (),
    ),
    409: (
        "Another change, or a run, is in the way; nothing was changed.",
        {"error": "the source is busy; nothing was changed", "code": "conflict"},
        (),
    ),
    413: (
        "The body is too large.",
        {"error": "request body is larger than 1048576 bytes", "code": "too_large"},
        (),
    ),
    415: (
        "The body is not plain JSON in UTF-8.",
        {
            "error": "Content-Type must be application/json",
            "code": "unsupported_media_type",
        },
        (),
    ),
    422: (
        "Well formed, and unusable all the same.",
        {
            "error": "component_url: https://example.org/feed.js answered 404",
            "code": "fetch_failed",
            "details": {"parameter": "component_url"},
        },
        (),
    ),
    429: (
        "Too many, of whatever the text says; come again after `Retry-After` seconds.",
        {
            "error": "too many requests with a wrong key",
            "code": "too_many_requests",
        },
        ("Retry-After",),
    ),
    431: (
        "The headers are too large.",
        {"error": "the headers have over 49152 bytes", "code": "headers_too_large"},
        (),
    ),
    500: (
        "Our fault. `X-Request-ID` finds it in the log.",
        {"error": "internal error", "code": "internal_error"},
        (),
    ),
    503: (
        "A part of the platform did not answer in time; try again after `Retry-After` seconds."
        " `still_loading`: code is still being fetched or loaded, or its packages installed. That"
        " goes on, and the same request again finds what is done.",
        {"error": "the database does not answer", "code": "unavailable"},
        ("Retry-After",),
    ),
    504: (
        "The component gave no answer of its own in time; the request is stored and will be run.",
        {"error": "the component did not respond in time", "code": "timeout"},
        (),
    ),
}

_HEADERS: dict[str, dict[str, Any]] = {
    "WWW-Authenticate": {"schema": {"type": "string", "pattern": "^Bearer"}},
    "Allow": {"schema": {"type": "string"}, "description": "The methods of this route."},
    "Retry-After": {"schema": {"type": "integer", "minimum": 0}, "description": "Seconds."},
    "X-Request-ID": {
        "schema": {"type": "string"},
        "description": "Names this request in the log.",
    },
}

SCHEMA = {
    "type": "object",
    "description": "`error` is one line for people, `code` a slug for machines.",
    "required": ["error", "code"],
    "properties": {
        "error": {"type": "string", "minLength": 1},
        "code": {"type": "string", "pattern": "^[a-z0-9_]+$"},
        "details": {
            "type": "object",
            "description": "More facts; `parameter` names the one at fault.",
            "properties": {"parameter": {"type": "string"}},
        },
    },
    "additionalProperties": False,
}


def responses() -> dict[str, Any]:
    """`components.responses`, by name."""
    return {
        f"Error{status}": {
            "description": when,
            "headers": {name: _HEADERS[name] for name in (*headers, "X-Request-ID")},
            "content": {"application/json": {"schema": ref("Error"), "example": example}},
        }
        for status, (when, example, headers) in ERRORS.items()
    }
