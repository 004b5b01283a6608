"""What sources emit: read, deleted, streamed, sent again; and why something was not emitted."""

from __future__ import annotations

from typing import Any

from apps.api.openapi.parts import (
    BOUND,
    CHANNEL,
    EPOCH_MS,
    EVENT_ID,
    Answer,
    Operation,
    Parameter,
    listing,
    maybe,
    page_of,
    ref,
    resource,
    single,
    text,
    whole,
)

EXAMPLE: dict[str, Any] = {
    "id": "1589486981597-0",
    "indexed_at_ms": 1589486981597,
    "event": {"title": "Hello"},
    "metadata": {
        "emit_id": "0BcHnlXgqSDj5hCGvpSOQXGEZWN",
        "name": "",
        "emitter_id": "dc_abc123",
        "id": "guid-1",
        "summary": "Hello",
        "ts": 1589486980000,
    },
}
SUPPRESSED: dict[str, Any] = {
    "id": "guid-1",
    "reason": "seen",
    "matched_event_id": "1589486981597-0",
    "first_ms": 1589487041597,
    "last_ms": 1589487101597,
    "count": 2,
}
REPLAY = {"id": "rp_0a1b2c3d4e", "events": 2, "listeners": 1}

SCHEMAS = {
    "Event": resource(
        "What a source emitted.",
        {
            "id": EVENT_ID,
            "indexed_at_ms": EPOCH_MS,
            "event": {
                "description": "The payload: any JSON. Over 1024 bytes and without"
                " `expand=event`: a string, the first 1024 bytes of its JSON."
            },
            "metadata": {
                "type": "object",
                "required": ["emit_id", "name", "emitter_id"],
                "description": "And what the emitter gave: id, summary, ts, delivery_ts.",
                "properties": {
                    "emit_id": {"type": "string", "pattern": "^[0-9A-Za-z]{27}$"},
                    "name": {"type": "string", "description": "The channel."},
                    "emitter_id": {"type": "string", "pattern": "^dc_"},
                },
            },
            "event_truncated": {"type": "boolean", "const": True},
            "event_size": whole("Bytes of the whole payload, when it is cut."),
        },
        sometimes=("event_truncated", "event_size"),
    ),
    "Suppressed": resource(
        "An id that dedupe held back.",
        {
            "id": {"description": "As it was emitted."},
            "reason": {
                "type": "string",
                "enum": ["seen", "not_greater", "before_last", "missing_id", "not_numeric"],
            },
            "matched_event_id": EVENT_ID,
            "first_ms": EPOCH_MS,
            "last_ms": EPOCH_MS,
            "count": whole("How often."),
        },
        sometimes=("matched_event_id",),
    ),
    "Replay": resource(
        "A replay that is under way.",
        {
            "id": {"type": "string", "pattern": "^rp_"},
            "events": whole("Events that go out again."),
            "listeners": whole("Subscriptions that get them."),
        },
    ),
}

_CHANNEL = Parameter("event_name", CHANNEL, "The channel; absent: the default one.")
_EXPAND = Parameter(
    "expand", text(), "Words separated by commas; `event` shows payloads whole.", example="event"
)
_PAGE = Answer("A page.", listing(ref("Event")), page_of(EXAMPLE, "1589486981597-0"))
_PATH = "sources/{source_id}/"


def _list(path: str, name: str, summary: str, *, channel: bool) -> Operation:
    return Operation(
        "get",
        _PATH + path,
        name,
        "events",
        summary,
        {200: _PAGE},
        "The newest hundred of the channel, newest first; cursors are event ids.",
        query=(_EXPAND, _CHANNEL) if channel else (_EXPAND,),
        paged=True,
    )


OPERATIONS = [
    _list("event_summaries", "listEvents", "List events", channel=True),
    _list("$errors/event_summaries", "listErrors", "List errors of a source", channel=False),
    _list("$logs/event_summaries", "listLogs", "List log lines of a source", channel=False),
    Operation(
        "get",
        _PATH + "events",
        "listPlainEvents",
        "events",
        "List events without paging information",
        {
            200: Answer(
                "Events.",
                {
                    "type": "object",
                    "required": ["data"],
                    "properties": {"data": {"type": "array", "items": ref("Event")}},
                },
                {"data": [EXAMPLE]},
            )
        },
        query=(_EXPAND, _CHANNEL),
        paged=True,
    ),
    Operation(
        "delete",
        _PATH + "events",
        "deleteEvents",
        "events",
        "Delete events",
        {202: Answer("Accepted.")},
        "All, or those of a closed range of ids. Without `event_name` every channel but `$errors`"
        " and `$logs`. Events emitted later stay. A scheduled event that is deleted is cancelled.",
        query=(
            Parameter("start_id", BOUND, "This event and all later ones."),
            Parameter("end_id", BOUND, "This event and all earlier ones."),
            Parameter("event_name", CHANNEL, "Only of this channel."),
        ),
        selects=False,
    ),
    Operation(
        "get",
        _PATH + "suppressed",
        "listSuppressed",
        "events",
        "Why was this not emitted?",
        {
            200: Answer(
                "A page.",
                listing(ref("Suppressed")),
                page_of(SUPPRESSED, "ZGNfYWJjMTIzfDE1ODk0ODcxMDE1OTd8MDA"),
            )
        },
        "What dedupe held back in a week, the newest thousand.",
        query=(_CHANNEL,),
        paged=True,
    ),
    Operation(
        "post",
        _PATH + "replay",
        "replaySource",
        "events",
        "Send stored events once more",
        {202: Answer("Under way.", single(ref("Replay")), {"data": REPLAY})},
        "A closed range of at most 10,000 events, to every listener or to one.",
        body={
            "from": maybe(BOUND),
            "to": maybe(BOUND),
            "listener_id": maybe(text("Of one subscription: `dc_…` or `wh_…`.")),
            "event_name": maybe(CHANNEL),
        },
        body_example={"from": "1589486981597-0", "to": "1589486981599-0"},
    ),
]


def _stream(path: str, name: str, summary: str, *, channel: bool, base: str) -> Operation:
    chosen = Parameter(
        "event_name", text(maxLength=64), "The channel; absent: the default one; `*`: all."
    )
    resume = (
        Parameter("after", text(), "As `Last-Event-ID`, which wins."),
        Parameter("Last-Event-ID", EVENT_ID, "Goes on after this event.", place="header"),
    )
    return Operation(
        "get",
        path,
        name,
        "events",
        summary,
        {
            200: Answer(
                "Never ends: a comment every 15 s; each event once, as in the expanded list.",
                {"type": "string"},
                'id: 1589486981597-0\ndata: {"id":"1589486981597-0"}\n\n',
                media_type="text/event-stream",
            )
        },
        query=(chosen, *resume) if channel else resume,
        selects=False,
        base=base,
    )


for _base, _suffix in (("/v1/", ""), ("/", "Alias")):
    OPERATIONS += [
        _stream(
            _PATH + "sse",
            f"streamEvents{_suffix}",
            "Follow a source",
            channel=True,
            base=_base,
        ),
        _stream(
            "sse/dc/{source_id}/emits",
            f"streamEmits{_suffix}",
            "Follow a source, by another address",
            channel=True,
            base=_base,
        ),
        _stream(
            "sse/dc/{source_id}/observations",
            f"streamLogs{_suffix}",
            "Follow the log of a source",
            channel=False,
            base=_base,
        ),
    ]
