"""What a dry run answers: an example, and the shape of one emit."""

from __future__ import annotations

from typing import Any

from apps.api.openapi.parts import Schema

DRY_RUN: dict[str, Any] = {
    "emits": [{"event": {"hello": "world"}, "metadata": {"name": ""}}],
    "suppressed": [],
    "logs": [],
    "db": {},
    "response": None,
    "error": None,
    "duration_ms": 3,
}
EMITTED: Schema = {
    "type": "object",
    "required": ["event", "metadata"],
    "properties": {"event": {}, "metadata": {"type": "object"}},
}
