"""The messages of a child, as `docs/protocol.md` lays them down, read into `apps.runs.contract`.

What a child sends is hostile input: size, shape, own run id and JSON are checked here, and
nothing is believed that was not checked. Payloads pass byte for byte (design F13).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson

from apps.runs.contract import (
    Description,
    Emit,
    Level,
    Limits,
    LogLine,
    Options,
    Respond,
    RunError,
    StoreChange,
)
from workers.runtime.frames import Violation
from workers.runtime.payloads import check_payload, read

_MAX_KEY_BYTES: Final = 256
_MAX_CHANNEL: Final = 64
_MAX_INTEGER: Final = 2**53 - 1
_LEVELS: Final = frozenset(("info", "warn", "error"))
_ERROR_CODES: Final = frozenset(("configuration_error", "syntax_error", "load_failed"))
_ERROR_TEXT: Final = 64 * 1024
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SCALARS: Final = (str, int, float, bool)


@dataclass(frozen=True, slots=True)
class Loaded:
    description: Description


@dataclass(frozen=True, slots=True)
class Failed:
    error: RunError


@dataclass(frozen=True, slots=True)
class Done:
    error: RunError | None
    reuse: bool


Message = Loaded | Failed | Emit | StoreChange | LogLine | Respond | Options | Done


def parse(
    body: bytes, run_id: str | None, limits: Limits, *, asked_options: bool = False
) -> Message:
    """One message of a child; `run_id` is None while it loads. A call for options
    (`asked_options`) is answered by other messages than a run.

    Raises Violation for anything that `docs/protocol.md` does not allow at this point.
    """
    head, newline, rest = body.partition(b"\n")
    header = read(head)
    if type(header) is not dict:
        raise Violation("a header that is not an object")
    kind = header.get("t")
    if run_id is None:
        reader = _LOADING.get(kind) if type(kind) is str else None
    else:
        readers = _ASKED if asked_options else _RUNNING
        reader = readers.get(kind) if type(kind) is str else None
        if header.get("run") != run_id:
            raise Violation("a frame of another run")
    if reader is None:
        raise Violation("an unknown kind of frame")
    part = rest if newline else None
    if part is not None and b"\n" in part:
        raise Violation("a frame with too many parts")
    return reader(header, part, limits)


def _text(header: dict[str, Any], key: str) -> str:
    value = header.get(key)
    if type(value) is not str:
        raise Violation(f"`{key}` must be text")
    return value


def _name(header: dict[str, Any], key: str) -> str:
    """Text that ends in a database column: no NUL."""
    value = _text(header, key)
    if "\0" in value:
        raise Violation(f"`{key}` holds a NUL character")
    return value


def _optional_text(header: dict[str, Any], key: str) -> str | None:
    return None if header.get(key) is None else _text(header, key).replace("\0", "\ufffd")


def _integer(header: dict[str, Any], key: str) -> int:
    """One that every reader of the stored event knows exactly."""
    value = header.get(key)
    if type(value) is not int or abs(value) > _MAX_INTEGER:
        raise Violation(f"`{key}` must be an integer of at most 53 bits")
    return value


def _identity(header: dict[str, Any]) -> str | int | float:
    """Text or a number. An integer beyond 64 bits is its digits, which compare as it would."""
    given = header["id"]
    if type(given) is int and not -(2**63) <= given < 2**64:
        return str(given)
    return given if type(given) in (int, float) else _name(header, "id")


def _needed(part: bytes | None) -> bytes:
    if part is None:
        raise Violation("a frame without its part")
    return part


def _emit(header: dict[str, Any], part: bytes | None, limits: Limits) -> Emit:
    payload = _needed(part)
    check_payload(payload, limits)
    meta: dict[str, Any] = {}
    if header.get("id") is not None:
        meta["id"] = _identity(header)
    if header.get("summary") is not None:
        meta["summary"] = _optional_text(header, "summary")
    for key in ("ts", "delivery_ts"):
        if header.get(key) is not None:
            meta[key] = _integer(header, key)
    channel = _name(header, "name") if header.get("name") is not None else ""
    if len(channel) > _MAX_CHANNEL or channel.startswith("$"):
        raise Violation(f"a channel has at most {_MAX_CHANNEL} characters, the first not $")
    return Emit(payload, channel, meta, _integer(header, "at"))


def _set(header: dict[str, Any], part: bytes | None, limits: Limits) -> StoreChange:
    key = _name(header, "key")
    if not key or len(key.encode()) > _MAX_KEY_BYTES:
        raise Violation(f"a store key must hold 1 to {_MAX_KEY_BYTES} bytes")
    if part is not None:
        check_payload(part, limits)
    return StoreChange(key, part)


def _log(header: dict[str, Any], part: bytes | None, limits: Limits) -> LogLine:
    level = header.get("level")
    if type(level) is not str or level not in _LEVELS:
        raise Violation("an unknown level of a log line")
    return LogLine(_integer(header, "at"), cast(Level, level), _text(header, "msg"))


def _respond(header: dict[str, Any], part: bytes | None, limits: Limits) -> Respond:
    status, headers = _integer(header, "status"), header.get("headers")
    if not 200 <= status <= 599:
        raise Violation("a status must be 200 to 599")
    if type(headers) is not dict or not all(type(v) is str for v in headers.values()):
        raise Violation("`headers` must map names to text")
    if not all(_TOKEN.fullmatch(name) and not _CONTROL.search(v) for name, v in headers.items()):
        raise Violation("a header that would break the answer")
    try:
        text = orjson.loads(_needed(part))
        if type(text) is not str:
            raise Violation("a body must be a JSON string")
        if _text(header, "encoding") == "base64":
            return Respond(status, headers, base64.b64decode(text, validate=True))
        return Respond(status, headers, text.encode())
    except (ValueError, binascii.Error) as error:
        raise Violation(f"a body that cannot be read: {error}") from None


def _error(value: Any) -> RunError:
    if type(value) is not dict:
        raise Violation("`error` must be an object")
    code = value.get("code")
    if code is not None and (type(code) is not str or code not in _ERROR_CODES):
        raise Violation("an unknown code of an error")
    return RunError(
        name=(_optional_text(value, "name") or "Error")[:256],
        message=(_optional_text(value, "message") or "")[:_ERROR_TEXT],
        stack=(_optional_text(value, "stack") or "")[:_ERROR_TEXT] or None,
        code=code,
        line=None if value.get("line") is None else _integer(value, "line"),
        column=None if value.get("column") is None else _integer(value, "column"),
    )


def _options(header: dict[str, Any], part: bytes | None, limits: Limits) -> Options:
    """One page of choices. Labels are text, values scalars; whatever else there was is dropped."""
    data = _needed(part)
    check_payload(data, limits)
    page = read(data)
    items = page.get("items") if type(page) is dict else None
    context = page.get("context") if type(page) is dict else None
    if type(items) is not list or not all(type(item) is dict for item in items):
        raise Violation("`items` must be a list of objects")
    if context is not None and type(context) is not dict:
        raise Violation("`context` must be an object")
    if not all(type(i.get("label")) is str and type(i.get("value")) in _SCALARS for i in items):
        raise Violation("an item needs a label of text and a scalar value")
    return Options([{"label": i["label"], "value": i["value"]} for i in items], context)


def _done(header: dict[str, Any], part: bytes | None, limits: Limits) -> Done:
    ok, reuse = header.get("ok"), header.get("reuse")
    if type(ok) is not bool or type(reuse) is not bool:
        raise Violation("`ok` and `reuse` must be given")
    return Done(None if ok else _error(header.get("error")), reuse)


def _loaded(header: dict[str, Any], part: bytes | None, limits: Limits) -> Loaded:
    value = header.get("description")
    if type(value) is not dict:
        raise Violation("`description` must be an object")
    props, hooks = value.get("props"), value.get("hooks")
    if type(props) is not list or not all(type(prop) is dict for prop in props):
        raise Violation("`props` must be a list of objects")
    if type(hooks) is not list or not all(type(hook) is str for hook in hooks):
        raise Violation("`hooks` must be a list of names")
    return Loaded(
        Description(
            name=_name(value, "name"),
            key=_optional_text(value, "key"),
            version=_name(value, "version"),
            description=_optional_text(value, "description"),
            type=_name(value, "type"),
            dedupe=_optional_text(value, "dedupe"),
            props=props,
            hooks=hooks,
        )
    )


def _failed(header: dict[str, Any], part: bytes | None, limits: Limits) -> Failed:
    return Failed(_error(header.get("error")))


_Reader = Callable[[dict[str, Any], bytes | None, Limits], Message]
_LOADING: Final[dict[str, _Reader]] = {"loaded": _loaded, "failed": _failed}
_RUNNING: Final[dict[str, _Reader]] = {
    "emit": _emit,
    "set": _set,
    "log": _log,
    "respond": _respond,
    "done": _done,
}
_ASKED: Final[dict[str, _Reader]] = {"log": _log, "options": _options, "done": _done}
