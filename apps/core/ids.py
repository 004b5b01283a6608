"""Public identifiers: a prefix and 6 random base-62 characters (REST specification 2)."""

from __future__ import annotations

import secrets

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def base62(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def new_id(prefix: str) -> str:
    """`new_id("dc")` → `dc_5YGuMo`. Callers insert and try again on a collision."""
    return f"{prefix}_{base62(6)}"
