"""Reading parameters: from the query and from the body, each with its type and a named error.

`POST`, `PUT` and `DELETE` read both places; when both carry a name, the documented place wins
(REST specification 1). Text of the query is converted; values of the body must have their type.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from apps.api.parsing import check_text
from apps.core.errors import ApiError, invalid

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
# Marks that change the direction of the text around them, so that a name shows as another.
_DIRECTION_MARKS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


class Params:
    """The parameters of one request. Absent and JSON null are the same: not given."""

    def __init__(
        self,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        *,
        query_wins: bool = False,
    ) -> None:
        self._query = query
        self._body = body or {}
        self._query_wins = query_wins

    def _raw(self, name: str) -> tuple[Any, bool]:
        """The value, and whether it came as text of the query."""
        in_query, in_body = name in self._query, self._body.get(name) is not None
        if in_query and (self._query_wins or not in_body):
            return self._query[name], True
        return self._body.get(name), False

    def given(self, name: str) -> bool:
        return self._raw(name)[0] is not None

    def told(self, name: str) -> bool:
        """Whether the name is there at all, be it as null: for what null has a meaning."""
        return name in self._query or name in self._body

    def text(self, name: str, *, max_bytes: int | None = None) -> str | None:
        value, _ = self._raw(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise invalid(name, f"{name} must be a string")
        check_text(value, name)
        if max_bytes is not None and len(value.encode()) > max_bytes:
            raise invalid(name, f"{name} must have at most {max_bytes} bytes")
        return value

    def integer(self, name: str) -> int | None:
        value, from_query = self._raw(name)
        if value is None:
            return None
        if from_query and isinstance(value, str) and _INTEGER.fullmatch(value):
            return int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise invalid(name, f"{name} must be an integer")
        return value

    def number(self, name: str) -> float | None:
        value, from_query = self._raw(name)
        if value is None:
            return None
        if from_query and isinstance(value, str) and _NUMBER.fullmatch(value):
            return float(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise invalid(name, f"{name} must be a number")
        return float(value)

    def boolean(self, name: str) -> bool | None:
        value, from_query = self._raw(name)
        if value is None:
            return None
        if from_query and isinstance(value, str) and value in _BOOLEANS:
            return _BOOLEANS[value]
        if not isinstance(value, bool):
            raise invalid(name, f"{name} must be true or false")
        return value

    def object(self, name: str) -> dict[str, Any] | None:
        value, _ = self._raw(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise invalid(name, f"{name} must be an object")
        return value

    def array(self, name: str) -> list[Any] | None:
        """A list: JSON in the body, separated by commas in the query."""
        value, from_query = self._raw(name)
        if value is None:
            return None
        if from_query and isinstance(value, str):
            return [part.strip() for part in value.split(",")]
        if not isinstance(value, list):
            raise invalid(name, f"{name} must be a list")
        return value

    def label(self, name: str, *, max_characters: int = 255) -> str | None:
        """A name for people: not blank, one line, no marks that turn the text around. What is no
        character yet is taken: that would hang on the age of this Python."""
        value = self.text(name)
        if value is None:
            return None
        if not value.strip():
            raise invalid(name, f"{name} must not be empty")
        if len(value) > max_characters:
            raise invalid(name, f"{name} must have at most {max_characters} characters")
        for character in value:
            if character in _DIRECTION_MARKS or unicodedata.category(character) == "Cc":
                raise invalid(name, f"{name} must not hold the character U+{ord(character):04X}")
        return value

    def words(self, name: str) -> frozenset[str] | None:
        """A comma-separated list; spaces around words do not count, an empty list is absent."""
        value = self.text(name)
        found = frozenset(word.strip() for word in (value or "").split(",")) - {""}
        return found or None


def missing(*names: str) -> ApiError:
    """400: at least one of these must be given."""
    if len(names) == 1:
        return invalid(names[0], f"{names[0]} is required")
    return invalid(names[0], f"one of {', '.join(names)} is required", one_of=list(names))
