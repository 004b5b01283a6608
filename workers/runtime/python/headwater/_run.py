"""One invocation as the SDK sees it: every call of component code is a frame, sent at the call."""

from __future__ import annotations

import base64
import math
import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ._channel import Channel
from ._errors import PayloadLimitError, RunOverError, StoreLimitError
from ._json import decode, encode

MAX_EVENT = 1024 * 1024
MAX_STORE = 1024 * 1024
MAX_LINE = 16 * 1024
MAX_SUMMARY = 1024
MAX_ID = 4096
MAX_DATE = 8.64e15  # epoch ms
MAX_CHANNEL = 64  # characters; the other bounds are bytes
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class StoreView:
    """The store as the run sees it: the snapshot it started with and its own changes.

    The snapshot is parsed at the first look, so that a run which never looks pays nothing.
    """

    def __init__(self, snapshot: bytes) -> None:
        self._snapshot = snapshot
        self._texts: dict[str, bytes] | None = None
        self._size = 0

    def _all(self) -> dict[str, bytes]:
        if self._texts is None:
            self._texts = {key: encode(value) for key, value in decode(self._snapshot).items()}
            self._size = sum(_entry_size(key, text) for key, text in self._texts.items())
        return self._texts

    def get(self, key: str) -> bytes | None:
        return self._all().get(key)

    def check(self, key: str, value: bytes) -> None:
        """StoreLimitError if the store as one compact JSON object would pass 1 MiB with this."""
        size = self._size_with(key, value) + 1
        if size > MAX_STORE:
            raise StoreLimitError(f"{key}: the store would hold {size} bytes of {MAX_STORE}")

    def set(self, key: str, value: bytes | None) -> None:
        self._size = self._size_with(key, value)
        if value is None:
            self._all().pop(key, None)
        else:
            self._all()[key] = value

    def _size_with(self, key: str, value: bytes | None) -> int:
        before = self._all().get(key)
        size = self._size if before is None else self._size - _entry_size(key, before)
        return size if value is None else size + _entry_size(key, value)


def _entry_size(key: str, text: bytes) -> int:
    """Bytes of `"key":value,` in the object; its braces weigh one comma more than it has."""
    return len(encode(key)) + len(text) + 2


class Run:
    """What the platform calls of one invocation need. Closed once the entry has returned."""

    __slots__ = ("_asked", "_channel", "_muted", "_open", "run_id", "source_id", "store")

    def __init__(
        self,
        channel: Channel,
        run_id: str,
        source_id: str,
        snapshot: bytes,
        *,
        asked_options: bool = False,
    ) -> None:
        self._channel = channel
        self._asked = asked_options
        self._open = True
        self._muted = False
        self.run_id = run_id
        self.source_id = source_id
        self.store = StoreView(snapshot)

    def _send(self, header: Mapping[str, Any], *parts: bytes) -> None:
        if self._asked:
            raise RuntimeError(f"{header['t']}: an options function only answers its choices")
        with self._channel.lock:
            if not self._open:
                raise RunOverError(f"{header['t']} after the run had returned")
            self._channel.write(header, *parts)

    def close(self) -> None:
        """From now on every call is refused, also of a thread that is still alive.

        Output is still taken, until `mute`.
        """
        with self._channel.lock:
            self._open = False

    def mute(self) -> None:
        """No frame of this run is sent any more."""
        with self._channel.lock:
            self._muted = True

    def emit(
        self,
        event: object,
        emit_id: object,
        summary: object,
        ts: object,
        channel: object,
        deliver_at: object,
    ) -> None:
        """Those of the arguments that are None were not given."""
        payload = encode(event, "event")
        if len(payload) > MAX_EVENT:
            raise PayloadLimitError(f"an event of {len(payload)} bytes is above 1 MiB")
        header: dict[str, Any] = {
            "t": "emit",
            "run": self.run_id,
            "at": time.time_ns() // 1_000_000,
        }
        if emit_id is not None:
            header["id"] = _emit_id(emit_id)
        if summary is not None:
            header["summary"] = cut(str(summary), MAX_SUMMARY)
        # Zero and NaN are no times: specification 7.1.
        if ts is not None and (at := _epoch_ms(ts, "ts")):
            header["ts"] = at
        if channel is not None and channel != "":
            header["name"] = _channel_name(channel)
        if deliver_at is not None and (due := _epoch_ms(deliver_at, "deliver_at")):
            header["delivery_ts"] = due
        self._send(header, payload)

    def set(self, key: str, value: bytes | None) -> None:
        header = {"t": "set", "run": self.run_id, "key": key}
        if value is None:
            self._send(header)
        else:
            self.store.check(key, value)
            self._send(header, value)
        self.store.set(key, value)

    def log(self, level: str, message: str) -> None:
        """One line of at most 16 KB. Dropped once the run is over: output is not an error."""
        header = {
            "t": "log",
            "run": self.run_id,
            "at": time.time_ns() // 1_000_000,
            "level": level,
            "msg": cut(message, MAX_LINE),
        }
        with self._channel.lock:
            if not self._muted:
                self._channel.write(header)

    def respond(self, status: int | str, headers: Mapping[str, str], body: object) -> None:
        code, sent = _status(status), _headers(headers)
        encoding = "text"
        if body is None:
            text = ""
        elif isinstance(body, str):
            text = body
        elif isinstance(body, (bytes, bytearray, memoryview)):
            text, encoding = base64.b64encode(bytes(body)).decode(), "base64"
        else:
            text = encode(body, "body").decode()
            if not any(name.lower() == "content-type" for name in sent):
                sent["content-type"] = "application/json"
        header = {"t": "respond", "run": self.run_id, "status": code, "headers": sent}
        self._send({**header, "encoding": encoding}, encode(text))


def cut(text: str, limit: int) -> str:
    """The longest beginning of `text` that UTF-8 holds in `limit` bytes."""
    if len(text) * 4 <= limit:
        return text
    head = text[:limit].encode("utf-8", "surrogatepass")
    if len(text) <= limit and len(head) <= limit:
        return text
    return head[:limit].decode("utf-8", "ignore")


def _emit_id(value: object) -> str | int | float:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise TypeError(f"id: text or a number, not {type(value).__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("id: a finite number")
    if isinstance(value, int):
        # As text beyond 64 bits: ids are compared by their digits, and none may be rounded away.
        return int(value) if -(2**63) <= value < 2**64 else _emit_id(str(int(value)))
    if isinstance(value, str) and len(value.encode("utf-8", "surrogatepass")) > MAX_ID:
        raise ValueError(f"id: longer than {MAX_ID} bytes")
    return value


def _channel_name(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"channel: text, not {type(value).__name__}")
    if value.startswith("$"):
        raise ValueError("channel: names that begin with $ belong to the platform")
    if len(value) > MAX_CHANNEL:
        raise ValueError(f"channel: longer than {MAX_CHANNEL} characters")
    return value


def _epoch_ms(value: object, what: str) -> int | None:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{what}: a datetime needs a time zone")
        return round(value.timestamp() * 1000)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{what}: epoch milliseconds or a datetime, not {type(value).__name__}")
    # As in JavaScript: what no date can be is absent.
    return int(value) if math.isfinite(value) and abs(value) <= MAX_DATE else None


def _status(value: object) -> int:
    try:
        code = int(value) if isinstance(value, (int, str)) else 0
    except ValueError:
        code = 0
    if not 200 <= code <= 599 or isinstance(value, bool):
        raise ValueError(f"status: 200 to 599, not {value!r}")
    return code


def _headers(given: Mapping[str, str]) -> dict[str, str]:
    headers = {str(name): str(value) for name, value in given.items()}
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"headers: {name!r} is no header name")
        if _CONTROL.search(value):
            raise ValueError(f"headers: {name} holds a line break")
    return headers
