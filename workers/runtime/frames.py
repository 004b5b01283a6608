"""Frames: how messages are cut out of a stream of bytes, and those that the platform sends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from apps.runs.contract import PROTOCOL_VIOLATION, Code, Invocation, OptionsCall, RunError

MAX_FRAME: Final = 8 * 1024 * 1024
MAX_LOAD_FRAME: Final = 24 * 1024 * 1024
"""8 MiB of files and 1 MiB of code, with room for what JSON escapes."""


class Violation(Exception):
    """A child broke the protocol or a limit; `error` names which."""

    def __init__(self, message: str, name: str = PROTOCOL_VIOLATION) -> None:
        super().__init__(message)
        code = name.lower().replace(" ", "_")
        self.error = RunError(name=name, message=message, code=code)


def encode(header: Mapping[str, Any], *parts: bytes, longest: int = MAX_FRAME) -> bytes:
    """One frame. Raises ValueError when it is too long or a part holds a raw newline."""
    for part in parts:
        if b"\n" in part:
            raise ValueError("a part must be compact JSON")
    body = b"\n".join((orjson.dumps(header), *parts))
    if len(body) > longest:
        raise ValueError("frame too long")
    return len(body).to_bytes(4, "big") + body


def load_frame(code: Code, env: Mapping[str, str], packages: str | None = None) -> bytes:
    """The first frame a child gets. Raises ValueError for text that is not UTF-8 encodable.

    `packages`: the directory of the component's package set, absolute.
    """
    header: dict[str, Any] = {
        "t": "load",
        "language": code.language,
        "component_id": code.component_id,
        "entry": code.entry,
        "env": dict(env),
    }
    if packages is not None:
        header["packages"] = packages
    try:
        parts = [orjson.dumps(code.text)]
        if code.files:
            parts.append(orjson.dumps(dict(code.files)))
        return encode(header, *parts, longest=MAX_LOAD_FRAME)
    except TypeError as error:
        raise ValueError("the code holds a lone surrogate") from error


def invoke_frame(call: Invocation) -> bytes:
    header = {
        "t": "invoke",
        "run": call.run_id,
        "entry": call.entry,
        "source_id": call.source_id,
    }
    return encode(header, call.props, call.event, call.store)


def options_frame(call: OptionsCall) -> bytes:
    header: dict[str, Any] = {
        "t": "options",
        "run": call.call_id,
        "name": call.name,
        "page": call.page,
    }
    if call.query is not None:
        header["query"] = call.query
    return encode(header, call.props, call.prev_context)


class Decoder:
    """Cuts a byte stream into frame bodies. Raises Violation for a length that cannot be."""

    __slots__ = ("_tail", "_wanted")

    def __init__(self) -> None:
        self._tail = bytearray()
        self._wanted = 4

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The bodies completed by `data`, in order; those before an impossible length are given
        before it is told, however the bytes were cut into pieces."""
        if self._tail:
            self._tail += data
            if len(self._tail) < self._wanted:
                return
            data = bytes(self._tail)
            self._tail.clear()
        at, end = 0, len(data)
        self._wanted = 4
        while end - at >= 4:
            size = int.from_bytes(data[at : at + 4], "big")
            if not 0 < size <= MAX_FRAME:
                raise Violation("a frame of impossible length")
            if end - at - 4 < size:
                self._wanted = size + 4
                break
            at += 4 + size
            yield data[at - size : at]
        if at < end:
            self._tail += data[at:]
