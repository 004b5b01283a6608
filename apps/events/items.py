"""Event ids, and the one form in which an event is shown (REST specification 2 and 6.2). Pure.

Payload and metadata are stored as JSON texts and go out byte for byte, never parsed and rewritten
(F13): an item is a mapping of field names to JSON texts.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from apps.core.ids import ALPHABET

# Of the compact JSON of a payload; above it a listing shows a prefix, unless expanded.
SHOWN_BYTES = 1024
EMIT_ID_LENGTH = 27
MAX_MS, MAX_N = 2**47 - 1, 2**31 - 1
_ID = re.compile(r"([0-9]{1,15})(?:-([0-9]{1,10}))?")


class EventId(NamedTuple):
    """Ordered as the pair of integers that it is, never as text."""

    ms: int
    n: int

    def __str__(self) -> str:
        return f"{self.ms}-{self.n}"


LAST = EventId(MAX_MS, MAX_N)


def parse_id(text: str, *, missing_n: int | None = None) -> EventId | None:
    """`<ms>-<n>`; `<ms>` alone where `missing_n` says what it means. None: malformed."""
    found = _ID.fullmatch(text)
    if found is None or (found[2] is None and missing_n is None):
        return None
    ms = int(found[1])
    n = missing_n if found[2] is None else int(found[2])
    assert n is not None
    return EventId(ms, n) if ms <= MAX_MS and n <= MAX_N else None


def emit_id(source_id: str, event_id: EventId) -> str:
    """27 base-62 characters that sort like the event ids of a source, and differ between sources.

    Derived, so that nobody stores it: 48 bits of ms, 32 of n, 80 of the source's hash.
    """
    tail = int.from_bytes(hashlib.sha256(source_id.encode()).digest()[:10], "big")
    number = (event_id.ms << 112) | (event_id.n << 80) | tail
    digits = ""
    for _ in range(EMIT_ID_LENGTH):
        number, rest = divmod(number, len(ALPHABET))
        digits = ALPHABET[rest] + digits
    return digits


@dataclass(frozen=True, slots=True)
class Stored:
    """An event as read. `payload` may be a prefix of `size` bytes: see `render`."""

    source_id: str
    channel: str
    id: EventId
    payload: bytes
    size: int
    meta: bytes


def render(event: Stored, *, expand: bool) -> dict[str, bytes]:
    """The item of a list or a stream: field name → JSON text."""
    item = {
        "id": b'"%d-%d"' % event.id,
        "indexed_at_ms": b"%d" % event.id.ms,
    }
    if expand or event.size <= SHOWN_BYTES:
        item["event"] = event.payload
    else:
        item["event"] = orjson.dumps(_prefix(event.payload))
    item["metadata"] = _metadata(event)
    if not expand and event.size > SHOWN_BYTES:
        item["event_truncated"] = b"true"
        item["event_size"] = b"%d" % event.size
    return item


def summary_of(meta: bytes) -> str:
    """The summary in an event's metadata; empty when it has none."""
    try:
        found = orjson.loads(meta).get("summary")
    except (orjson.JSONDecodeError, AttributeError):
        return ""
    return found.strip() if isinstance(found, str) else ""


def _prefix(payload: bytes) -> str:
    """The longest prefix of `SHOWN_BYTES` that ends on a character boundary."""
    return payload[:SHOWN_BYTES].decode("utf-8", errors="ignore")


def _metadata(event: Stored) -> bytes:
    head = orjson.dumps(
        {
            "emit_id": emit_id(event.source_id, event.id),
            "name": event.channel,
            "emitter_id": event.source_id,
        }
    )
    own = event.meta.strip()
    return head if own in (b"", b"{}") else b"%b,%b" % (head[:-1], own[1:])
