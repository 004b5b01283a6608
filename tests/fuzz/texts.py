"""Strategies that the properties share: texts near the borders of each grammar."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

# All characters, halves of surrogate pairs and NUL among them.
ANY = st.text(st.characters(codec=None))
SAFE = st.text()

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | ANY
    | st.sampled_from([2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 1e308, -0.0]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY, inner, max_size=4),
    max_leaves=10,
)

# Pieces of JSON that a writer would not write in this order, or not at all.
_TOKENS = st.sampled_from(
    [
        "{", "}", "[", "]", ",", ":", '"', '"a"', '"b"', "\\", "\\u0000", "\\ud800", "\\udc00",
        "\\n", "null", "true", "false", "NaN", "Infinity", "-Infinity", "0", "-0", "01", "1.",
        "1e5", "1e999", "1e400", "-1e999", "18446744073709551615", "18446744073709551616", "9" * 30,
        "1" * 5000,
        "-9223372036854775809", "1e-999", "0.1e1", " ", "\n", "\t", "\ufeff", "\u2028", "é", "\x00",
        "\x1f", "[" * 70, "]" * 70, '{"a":' * 70, "}" * 70, "[" * 300, "]" * 300, "/**/", "'a'",
    ]
)  # fmt: skip
_SHREDS = st.lists(_TOKENS | SAFE, max_size=12).map("".join)


def _nested(depth: int, kind: str, core: str) -> str:
    opening, closing = ("[", "]") if kind == "list" else ('{"a":', "}")
    return opening * depth + core + closing * depth


DEEP = st.builds(
    _nested, st.integers(0, 300), st.sampled_from(["list", "object"]), _SHREDS | st.just("1")
)
WRITTEN = st.builds(
    lambda value, ascii_only, indent: json.dumps(value, ensure_ascii=ascii_only, indent=indent),
    VALUES,
    st.booleans(),
    st.sampled_from([None, 1]),
)


def _doubled(value: str, other: str) -> str:
    return f'{{"a": {value}, "b": {{"k": {value}, "k": {other}}}}}'


# Text of JSON, valid or nearly so; may hold halves of surrogate pairs.
JSON_TEXT = st.one_of(
    WRITTEN,
    _SHREDS,
    DEEP,
    st.builds(_doubled, WRITTEN, WRITTEN),
    st.builds('{{"a":{}}}'.format, _SHREDS),
)


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _changed(data: bytes, at: int, byte: int, how: int) -> bytes:
    """One byte replaced, put in or left out."""
    at = at % (len(data) + 1)
    return data[:at] + bytes([byte] if how != 2 else []) + data[at + (how != 1) :]


def mutated(bytes_strategy: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.builds(
        _changed, bytes_strategy, st.integers(0, 1 << 20), st.integers(0, 255), st.integers(0, 2)
    )


JSON_BYTES = JSON_TEXT.map(as_bytes) | mutated(JSON_TEXT.map(as_bytes)) | st.binary(max_size=60)
