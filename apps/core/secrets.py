"""Encryption of secret values at rest: the only door to the cryptography library.

Keys come from `ENCRYPTION_KEYS` (any texts; the first one encrypts, all decrypt, so that keys can
be turned over), else from `SECRET_KEY`.
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class Undecipherable(Exception):
    """A stored secret that none of the keys opens: the key was lost or exchanged."""


@lru_cache(maxsize=8)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    derived = (hashlib.sha256(b"headwater secrets\n" + key.encode()).digest() for key in keys)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in derived])


def _keys() -> tuple[str, ...]:
    return tuple(settings.ENCRYPTION_KEYS) or (settings.SECRET_KEY,)


def _current() -> MultiFernet:
    return _fernet(_keys())


def encrypt(value: object) -> str:
    """A token for a JSON value."""
    return _current().encrypt(orjson.dumps(value)).decode()


def decrypt(token: str) -> object:
    """The value of a token. Raises Undecipherable."""
    try:
        return orjson.loads(_current().decrypt(token.encode()))
    except InvalidToken:
        raise Undecipherable("a stored secret was encrypted with another key") from None


def renew(token: str) -> str | None:
    """The same secret under the first key; None: it is under that one already. Raises
    Undecipherable."""
    try:
        _fernet(_keys()[:1]).decrypt(token.encode())
    except InvalidToken:
        try:
            return _current().rotate(token.encode()).decode()
        except InvalidToken:
            raise Undecipherable("a stored secret was encrypted with another key") from None
    return None
