"""Names for people: what the description says of them is what the API takes."""

from __future__ import annotations

import re
import sys

import pytest

from apps.api.openapi.labels import PATTERN, label
from apps.api.params import Params
from apps.core.errors import ApiError


def taken(name: str) -> bool:
    try:
        return Params({}, {"name": name}).label("name") == name
    except ApiError:
        return False


def test_every_character_alone_is_taken_as_described() -> None:
    pattern = re.compile(PATTERN)
    characters = [*range(0xD800), *range(0xE000, sys.maxunicode + 1)]
    differ = [
        f"U+{code:04X}"
        for code in characters
        if taken(chr(code)) != bool(pattern.fullmatch(chr(code)))
    ]
    assert differ == []


@pytest.mark.parametrize(
    ("name", "good"),
    [("", False), (" \u3000 ", False), (" a ", True), ("a\nb", False), ("a\u202eb", False),
     ("ä \U0001fae8 é", True), ("x" * 255, True), ("x" * 256, False)],
)  # fmt: skip
def test_names_are_taken_as_described(name: str, good: bool) -> None:
    schema = label("For people.", 255)
    described = re.fullmatch(PATTERN, name) and 1 <= len(name) <= schema["maxLength"]
    assert (taken(name), bool(described)) == (good, good)
