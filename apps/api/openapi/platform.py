"""What needs no key: the endpoints of sources, the health of the platform, this description."""

from __future__ import annotations

from apps.api.openapi.parts import Answer, Operation, ref

SCHEMAS = {
    "Status": {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"type": "string"}},
    },
    "Readiness": {
        "type": "object",
        "required": ["status", "checks", "processes"],
        "properties": {
            "status": {"const": "ready"},
            "checks": {
                "type": "object",
                "description": "What was looked at. What is not `required` may fail.",
                "additionalProperties": {
                    "type": "object",
                    "required": ["ok", "required", "ms"],
                    "properties": {
                        "ok": {"type": "boolean"},
                        "required": {"type": "boolean"},
                        "ms": {"type": "number", "description": "How long it took."},
                        "error": {"type": "string"},
                    },
                },
            },
            "processes": {
                "type": "object",
                "description": "How many of each kind gave a sign of life lately.",
                "additionalProperties": {"type": "integer", "minimum": 0},
            },
        },
    },
}


def _endpoint(method: str, name: str) -> Operation:
    return Operation(
        method,
        "h/{endpoint_key}",
        name,
        "endpoints",
        f"Hand a {method.upper()} request to a source",
        {
            200: Answer(
                "Stored: it will be run. A component that answers by itself may answer anything.",
                ref("Status"),
                {"status": "accepted"},
            )
        },
        "Any path and query below it, any body up to 512 KiB of any type. With `Idempotency-Key`"
        " the same request is one run for 24 hours.",
        errors=(400, 405, 408, 422, 429, 503, 504),
        selects=False,
        open=True,
        base="/",
    )


OPERATIONS = [
    *(
        _endpoint(method, f"{method}Endpoint")
        for method in ("get", "post", "put", "patch", "delete")
    ),
    Operation(
        "get",
        "healthz",
        "health",
        "platform",
        "Is the web process alive?",
        {200: Answer("Yes.", ref("Status"), {"status": "ok"})},
        "503: its threads have been stuck for a minute. Restart it.",
        errors=(503,),
        selects=False,
        open=True,
        base="/",
    ),
    Operation(
        "get",
        "readyz",
        "readiness",
        "platform",
        "Can the web process serve?",
        {
            200: Answer(
                "Yes.",
                ref("Readiness"),
                {
                    "status": "ready",
                    "checks": {
                        "database": {"ok": True, "required": True, "ms": 0.8},
                        "migrations": {"ok": True, "required": True, "ms": 0.9},
                        "redis": {"ok": True, "required": False, "ms": 0.3},
                    },
                    "processes": {"web": 1, "worker": 2, "scheduler": 1},
                },
            )
        },
        "The database answers and has every migration. 503 names what does not, with"
        " the same in `details`.",
        errors=(503,),
        selects=False,
        open=True,
        base="/",
    ),
    Operation(
        "get",
        "metrics",
        "metrics",
        "platform",
        "Counters and depths, for Prometheus",
        {200: Answer("Its text format.", {"type": "string"}, media_type="text/plain")},
        "An administrator's key, or the token that the operator has set for it.",
        errors=(404, 503),
        selects=False,
        base="/",
    ),
    Operation(
        "get",
        "openapi.json",
        "describe",
        "platform",
        "This description",
        {200: Answer("OpenAPI 3.1.", {"type": "object"})},
        selects=False,
        open=True,
    ),
    Operation(
        "get",
        "docs",
        "browse",
        "platform",
        "This description, to browse",
        {200: Answer("A page.", {"type": "string"}, media_type="text/html")},
        selects=False,
        open=True,
    ),
]
