"""Names for people, described exactly as `apps.api.params.Params.label` takes them."""

from __future__ import annotations

from apps.api.openapi.parts import Schema, text

# In no name: control characters, and marks that turn the text around.
_MARKS = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_SPACES = r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
PATTERN = rf"^[^{_MARKS}]*[^{_MARKS}{_SPACES}][^{_MARKS}]*$"


def label(description: str, longest: int) -> Schema:
    """A string of at most so many characters."""
    told = f"{description} One line, not blank, no control characters."
    return {**text(told, minLength=1, maxLength=longest), "pattern": PATTERN}
