"""Dedupe: which emits of a run become events (component specification 7; DESIGN section 7).

Pure. One memory per source and channel, for one strategy; a component whose strategy changed
starts with an empty one. Ids are remembered as 16 bytes of the SHA-256 of their text: however long
an id is, it costs the same, and half the hash is far beyond accidental collision.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Generic, Protocol, TypeVar

import orjson

EMITTED_KEPT = 100
LATEST_KEPT = 10_000
_DIGEST = 16


class Offer(Protocol):
    """What an emit must show to be judged (`apps.runs.contract.Emit` does)."""

    @property
    def channel(self) -> str: ...
    @property
    def meta(self) -> dict[str, Any]: ...
    @property
    def at_ms(self) -> int: ...


E = TypeVar("E", bound=Offer)


@dataclass(slots=True)
class Channel:
    """What is remembered of one channel.

    emitted   unique: the last 100 emitted ids, oldest first
    latest    unique: every id offered by the latest non-empty batch of a successful run
    greatest  greatest: the largest id so far
    last      last: the id of the final event of the latest batch of which anything passed
    """

    emitted: list[bytes] = field(default_factory=list)
    latest: list[bytes] = field(default_factory=list)
    greatest: Decimal | None = None
    last: bytes | None = None


@dataclass(slots=True)
class Memory:
    strategy: str | None = None
    channels: dict[str, Channel] = field(default_factory=dict)


@dataclass(slots=True)
class Sifted(Generic[E]):
    """`suppressed` pairs each emit that did not become an event with its reason, in the words of
    REST specification index 28."""

    passed: list[E]
    suppressed: list[tuple[E, str]]
    changed: bool


def in_order(emits: list[E]) -> list[E]:
    """Oldest first: a stable sort by `ts`, or where absent by the moment of the call (7.1)."""
    if len(emits) < 2:
        return emits
    return sorted(emits, key=lambda emit: emit.meta.get("ts") or emit.at_ms)


def sift(strategy: str | None, memory: Memory, emits: list[E], *, succeeded: bool) -> Sifted[E]:
    """Decide over one run's emits and bring `memory` up to date. Returns them in stored order.

    `succeeded` says whether the run ended without an error: only then does its batch replace the
    remembered one.
    """
    ordered = in_order(emits)
    if strategy is None:
        return Sifted(ordered, [], False)
    if memory.strategy != strategy:
        memory.strategy, memory.channels = strategy, {}
    if not ordered:
        return Sifted([], [], False)
    by_channel: dict[str, list[E]] = {}
    for emit in ordered:
        by_channel.setdefault(emit.channel, []).append(emit)
    verdicts: dict[int, str] = {}
    changed = False
    for name, batch in by_channel.items():
        channel = memory.channels.setdefault(name, Channel())
        reasons, channel_changed = _STRATEGIES[strategy](channel, batch, succeeded)
        changed = changed or channel_changed
        verdicts.update(reasons)
    passed = [emit for emit in ordered if id(emit) not in verdicts]
    suppressed = [(e, verdicts[id(e)]) for e in ordered if id(e) in verdicts]
    return Sifted(passed, suppressed, changed)


def _unique(
    channel: Channel, batch: Sequence[Offer], succeeded: bool
) -> tuple[dict[int, str], bool]:
    reasons: dict[int, str] = {}
    known = {*channel.emitted, *channel.latest}
    offered: dict[bytes, None] = {}
    added: list[bytes] = []
    for emit in batch:
        digest = _digest(emit.meta.get("id"))
        if digest is None:
            reasons[id(emit)] = "missing_id"
        elif digest in known:
            reasons[id(emit)] = "seen"
            offered[digest] = None
        else:
            known.add(digest)
            offered[digest] = None
            added.append(digest)
    changed = bool(added)
    channel.emitted = [*channel.emitted, *added][-EMITTED_KEPT:]
    if succeeded and offered:
        latest = list(offered)[-LATEST_KEPT:]
        changed = changed or latest != channel.latest
        channel.latest = latest
    return reasons, changed


def _greatest(
    channel: Channel, batch: Sequence[Offer], _succeeded: bool
) -> tuple[dict[int, str], bool]:
    reasons: dict[int, str] = {}
    passed: set[Decimal] = set()
    for emit in batch:
        raw = emit.meta.get("id")
        number = _number(raw)
        if number is None:
            reasons[id(emit)] = "missing_id" if raw is None else "not_numeric"
        elif (channel.greatest is not None and number <= channel.greatest) or number in passed:
            reasons[id(emit)] = "not_greater"
        else:
            passed.add(number)
    if passed:
        channel.greatest = max(passed)
    return reasons, bool(passed)


def _last(
    channel: Channel, batch: Sequence[Offer], _succeeded: bool
) -> tuple[dict[int, str], bool]:
    digests = [_digest(emit.meta.get("id")) for emit in batch]
    start = 0
    if channel.last is not None:
        for position, digest in enumerate(digests):
            if digest == channel.last:
                start = position + 1
    reasons = {id(emit): "before_last" for emit in batch[:start]}
    newest = next((digest for digest in reversed(digests) if digest is not None), None)
    if start == len(batch) or newest is None or newest == channel.last:
        return reasons, False
    channel.last = newest
    return reasons, True


_STRATEGIES = {"unique": _unique, "greatest": _greatest, "last": _last}


def id_text(value: Any) -> str | None:
    """The text under which ids are compared: `1`, `1.0` and `"1"` are equal, case counts."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return None


def _digest(value: Any) -> bytes | None:
    text = id_text(value)
    if text is None:
        return None
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:_DIGEST]


def _number(value: Any) -> Decimal | None:
    """Exact, also above 2^53; numeric text counts, booleans, NaN and infinities do not."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(value.strip()) if isinstance(value, str) else Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def load(raw: bytes) -> Memory:
    """From the `dedupe` column of `component_state`."""
    if raw == b"{}":
        return Memory()
    stored = orjson.loads(raw)
    channels = {
        name: Channel(
            emitted=_split(c.get("e", "")),
            latest=_split(c.get("b", "")),
            greatest=Decimal(c["g"]) if "g" in c else None,
            last=base64.b64decode(c["l"]) if "l" in c else None,
        )
        for name, c in stored["c"].items()
    }
    return Memory(stored["s"], channels)


def dump(memory: Memory) -> bytes:
    channels: dict[str, dict[str, str]] = {}
    for name, c in memory.channels.items():
        out = channels[name] = {}
        if c.emitted:
            out["e"] = base64.b64encode(b"".join(c.emitted)).decode()
        if c.latest:
            out["b"] = base64.b64encode(b"".join(c.latest)).decode()
        if c.greatest is not None:
            out["g"] = str(c.greatest)
        if c.last is not None:
            out["l"] = base64.b64encode(c.last).decode()
    return orjson.dumps({"s": memory.strategy, "c": channels})


def _split(text: str) -> list[bytes]:
    raw = base64.b64decode(text)
    return [raw[i : i + _DIGEST] for i in range(0, len(raw), _DIGEST)]
