"""What ran, what a timer did, and running it once more."""

from __future__ import annotations

from typing import Any

from apps.api.openapi.parts import (
    EPOCH_MS,
    Answer,
    Operation,
    Schema,
    listing,
    page_of,
    ref,
    resource,
    single,
    whole,
)

EXAMPLE: dict[str, Any] = {
    "id": "6c0c3bd4-2c4f-5a6e-9c27-0a4a4a6b1f0e",
    "source_id": "dc_abc123",
    "component_id": "sc_abc123",
    "cause": "timer",
    "state": "succeeded",
    "attempt": 1,
    "queued_at_ms": 1589486981500,
    "started_at_ms": 1589486981510,
    "finished_at_ms": 1589486981597,
    "duration_ms": 87,
    "emitted": 1,
    "suppressed": 0,
    "error": None,
}
TICK: dict[str, Any] = {
    "from_ms": 1589486981500,
    "to_ms": 1589486981500,
    "count": 1,
    "outcome": "ran",
    "lag_ms": 10,
    "run_id": EXAMPLE["id"],
}

_MAYBE_MS: Schema = {**EPOCH_MS, "type": ["integer", "null"]}
_MAYBE_NUMBER: Schema = {"type": ["integer", "null"], "minimum": 0}

SCHEMAS = {
    "Run": resource(
        "One run of a source's code, or of one of its hooks.",
        {
            "id": {"type": "string", "format": "uuid"},
            "source_id": {"type": "string", "pattern": "^dc_"},
            "component_id": {"type": ["string", "null"], "pattern": "^sc_"},
            "cause": {
                "type": "string",
                "enum": ["timer", "http", "event", "manual", "deploy", "activate", "deactivate"],
            },
            "state": {
                "type": "string",
                "enum": ["queued", "running", "succeeded", "failed", "dead", "cancelled"],
            },
            "attempt": whole("Counted only when the code had started."),
            "queued_at_ms": _MAYBE_MS,
            "started_at_ms": _MAYBE_MS,
            "finished_at_ms": _MAYBE_MS,
            "duration_ms": _MAYBE_NUMBER,
            "emitted": _MAYBE_NUMBER,
            "suppressed": _MAYBE_NUMBER,
            "error": {
                "type": ["object", "null"],
                "description": "What the code did not catch, or a limit that was hit.",
            },
        },
    ),
    "Tick": resource(
        "Slots of a timer, and what became of them.",
        {
            "from_ms": EPOCH_MS,
            "to_ms": EPOCH_MS,
            "count": whole("Slots from the first to the last of them."),
            "outcome": {"type": "string", "enum": ["ran", "late", "skipped"]},
            "lag_ms": whole("From the slot to the start of its run."),
            "reason": {"type": "string"},
            "run_id": {"type": "string", "format": "uuid"},
        },
        sometimes=("lag_ms", "reason", "run_id"),
    ),
}

OPERATIONS = [
    Operation(
        "get",
        "sources/{source_id}/runs",
        "listRuns",
        "runs",
        "List runs of a source, newest first",
        {200: Answer("A page.", listing(ref("Run")), page_of(EXAMPLE, "ZGNfYWJjMTIzfDE"))},
        "Kept for three days.",
        paged=True,
        links={
            "first": ("getRun", {"path.run_id": "$response.body#/data/0/id"}),
            "rerun": ("rerun", {"path.run_id": "$response.body#/data/0/id"}),
        },
    ),
    Operation(
        "get",
        "runs/{run_id}",
        "getRun",
        "runs",
        "Read a run",
        {200: Answer("The run.", single(ref("Run")), {"data": EXAMPLE})},
    ),
    Operation(
        "post",
        "runs/{run_id}/rerun",
        "rerun",
        "runs",
        "Run once more what failed",
        {202: Answer("The new run is queued.")},
        "Only a run that is dead or failed and whose event is still stored; else 409.",
        errors=(409,),
        selects=False,
    ),
    Operation(
        "get",
        "sources/{source_id}/ticks",
        "listTicks",
        "runs",
        "What became of every slot of a timer",
        {200: Answer("A page.", listing(ref("Tick")), page_of(TICK, "ZGNfYWJjMTIzfDE"))},
        paged=True,
    ),
]
