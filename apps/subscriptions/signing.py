"""What a webhook's receiver reads to know who calls: ids and signatures. Pure.

Two families of headers on every attempt (REST specification 8):

    webhook-id, webhook-timestamp, webhook-signature
        Standard Webhooks: base64 HMAC-SHA256 of `<id>.<timestamp>.<body>`, keyed with the bytes
        behind `whsec_`. The id is that of the message: the same on every attempt and every replay
        of a dead letter. While a secret that was rotated is still good, both have signed.
    X-PD-Emitter-Id, X-PD-Event-Id, X-PD-Event-Name, X-PD-Emit-Id
    X-PD-Signature
        `t=<unix seconds>,v1=<hex>`: HMAC-SHA256 of `<t>.<body>`, keyed with the whole text of the
        newest secret, as the hosted product's signing keys are used.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from apps.events.items import EventId, emit_id

PREFIX = "whsec_"
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Message:
    """One event for one webhook. `replay` is the id of the replay of the source that sends it
    again, else empty: another message, since the receiver is to take it again."""

    emitter_id: str
    channel: str
    event_id: EventId
    replay: str
    body: bytes

    @property
    def id(self) -> str:
        head = f"{self.emitter_id}_{self.event_id}"
        return f"{head}_{self.replay}" if self.replay else head


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def headers(message: Message, keys: Sequence[str], timestamp: int) -> dict[str, str]:
    """All headers of one attempt. `keys` are the webhook's secrets, the newest first; `timestamp`
    in seconds since the epoch."""
    standard = " ".join(sign(message.id, message.body, key, timestamp) for key in keys)
    signed = f"{timestamp}.".encode() + message.body
    own = hmac.new(keys[0].encode(), signed, hashlib.sha256).hexdigest()
    found = {
        "Content-Type": "application/json",
        "webhook-id": message.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": standard,
        "X-PD-Emitter-Id": message.emitter_id,
        "X-PD-Event-Id": str(message.event_id),
        # Channels may hold any character, headers only ASCII.
        "X-PD-Event-Name": quote(message.channel, safe=" $!#&'()*+,/:;=?@[]^`{|}\"<>\\"),
        "X-PD-Emit-Id": emit_id(message.emitter_id, message.event_id),
        "X-PD-Signature": f"t={timestamp},v1={own}",
    }
    if message.replay:
        found["X-PD-Replay-Id"] = message.replay
    return found


def sign(message_id: str, body: bytes, key: str, timestamp: int) -> str:
    """The signature of Standard Webhooks, with its version."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    raw = base64.b64decode(key.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.new(raw, signed, hashlib.sha256).digest()).decode()
