"""Names as parts of addresses (component specification 8). Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container

MAX_LENGTH = 64
_OTHERS = re.compile(r"[^a-z0-9]+")


def slugify(name: str) -> str:
    """`Hello, World!` → `hello-world`. Accents are dropped, at most 64 characters, never empty."""
    plain = unicodedata.normalize("NFKD", name)
    plain = "".join(mark for mark in plain if not unicodedata.combining(mark))
    slug = _OTHERS.sub("-", plain.lower()).strip("-")[:MAX_LENGTH].strip("-")
    return slug or "source"


def first_free(slug: str, taken: Container[str]) -> str:
    """`slug`, or `slug-1`, `slug-2` …: the lowest number that is free."""
    if slug not in taken:
        return slug
    number = 1
    while f"{slug}-{number}" in taken:
        number += 1
    return f"{slug}-{number}"
