"""What strangers wrote, as text for people: whatever it holds, it is only read. Pure.

Templates escape HTML. Here is what they do not know: characters that have no shape of their own, or
turn the direction of what follows, are shown as JSON would escape them; long values are cut; JSON
too deep for the parser, and bytes that are none, are shown as they are.
"""

from __future__ import annotations

from typing import Any

import orjson

# What a page shows of one long value, in characters.
SHOWN = 20_000
# Levels of lists and objects that are laid out; deeper ones are shown as they are stored.
LEVELS = 100
# Keys of JSON whose values nobody sees, encrypted though they are.
SEALED = frozenset({"secrets", "secret_props"})
# Controls, marks of direction, and what has no width. Tab and line feed lay text out.
_HIDDEN = (
    *range(0x00, 0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0), 0xAD, 0x61C,
    0x200B, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2060, 0x2070), 0xFEFF,
    *range(0xD800, 0xE000),
)  # fmt: skip
_ESCAPES = {code: f"\\u{code:04x}" for code in _HIDDEN}


def visible(text: str, limit: int = SHOWN) -> str:
    """The text with its unseen characters escaped, cut at `limit` characters."""
    shown = text[:limit].translate(_ESCAPES)
    return shown if len(text) <= limit else f"{shown}\n… ({len(text)} characters)"


def line(text: str, limit: int = 200) -> str:
    """The text on one line."""
    shown = " ".join(text[: limit + 1].split()).translate(_ESCAPES)
    return shown if len(text) <= limit else f"{shown[:limit]} …"


def readable(value: Any, limit: int = SHOWN) -> str:
    """Bytes (compact JSON, or anything) and parsed JSON, laid out."""
    if isinstance(value, memoryview | bytes | bytearray):
        raw = bytes(value)
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return visible(raw.decode(errors="replace"), limit)
    else:
        raw = b""
    try:
        text = orjson.dumps(_sealed(value, LEVELS), option=orjson.OPT_INDENT_2).decode()
    except (TooDeep, orjson.JSONEncodeError):
        text = raw.decode(errors="replace") or "… (nested too deeply to be shown)"
    return visible(text, limit)


class TooDeep(Exception):
    """More levels than are laid out."""


def _sealed(value: Any, levels: int) -> Any:
    if not levels:
        raise TooDeep
    if isinstance(value, dict):
        return {
            key: f"{len(inner)} sealed"
            if key in SEALED and isinstance(inner, dict)
            else _sealed(inner, levels - 1)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_sealed(item, levels - 1) for item in value]
    return value
