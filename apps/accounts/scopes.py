"""What a key may do: `read` looks, `write` changes things or runs code, `*` is all there is. Pure.

Neither of the two holds the other. `*` also holds whatever scope may come later.
"""

from __future__ import annotations

from collections.abc import Iterable

READ = "read"
WRITE = "write"
ALL = "*"
# In the order in which they are stored and shown.
SCOPES = (ALL, READ, WRITE)


def full() -> list[str]:
    """The scopes of a key that is not restricted."""
    return [ALL]


def settled(scopes: Iterable[str]) -> list[str]:
    """Each once, in one order; `*` stands for all."""
    wanted = set(scopes)
    return full() if ALL in wanted else [scope for scope in SCOPES if scope in wanted]


def lacking(held: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Those of `wanted` that a key with the scopes `held` does not have."""
    has = set(held)
    return [] if ALL in has else [scope for scope in wanted if scope not in has]
