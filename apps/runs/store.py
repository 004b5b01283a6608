"""`$.service.db` as stored: one compact JSON object, whose values keep their bytes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from json import JSONDecoder, dumps
from json.decoder import scanstring  # type: ignore[attr-defined]  # typeshed leaves it out

from apps.runs.contract import StoreChange

_decode = JSONDecoder().raw_decode


def split(store: bytes) -> dict[str, str]:
    """Each key with the JSON text of its value, unparsed. `store` is what `join` made."""
    text = store.decode()
    values: dict[str, str] = {}
    at = 1
    while text[at] != "}":
        key, colon = scanstring(text, at + (text[at] == ",") + 1)
        _, at_next = _decode(text, colon + 1)
        values[key] = text[colon + 1 : at_next]
        at = at_next
    return values


def join(values: dict[str, str]) -> bytes:
    parts = (f"{dumps(key, ensure_ascii=False)}:{value}" for key, value in values.items())
    return ("{" + ",".join(parts) + "}").encode()


def apply(store: bytes, changes: Sequence[StoreChange]) -> bytes:
    """The store after these changes, in call order: per-key, never a whole snapshot (F4)."""
    if not changes:
        return store
    values = split(store)
    for change in changes:
        if change.value is None:
            values.pop(change.key, None)
        else:
            values[change.key] = change.value.decode()
    return join(values)
