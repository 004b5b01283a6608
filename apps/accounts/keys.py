"""The form of an API key: `hw_` + 32 random base-62 characters + 6 of checksum. Pure.

The checksum (CRC-32) lets a typing error, or a key of another product, be refused without a look
at the database, and lets scanners of leaked secrets recognise a real one.
"""

from __future__ import annotations

import hashlib
import zlib

from apps.core.ids import ALPHABET, base62

MARK = "hw_"
RANDOM = 32
CHECK = 6
LENGTH = len(MARK) + RANDOM + CHECK
# How much of a key may be stored and shown: tells keys apart, gives nothing away.
SHOWN = 11


def _checksum(text: str) -> str:
    number = zlib.crc32(text.encode())
    digits = ""
    for _ in range(CHECK):
        number, rest = divmod(number, len(ALPHABET))
        digits = ALPHABET[rest] + digits
    return digits


def generate() -> str:
    body = MARK + base62(RANDOM)
    return body + _checksum(body)


def well_formed(text: str) -> bool:
    """Could this be a key of ours? No secret decides it, so time tells nothing."""
    return (
        len(text) == LENGTH
        and text.isascii()
        and text.startswith(MARK)
        and _checksum(text[:-CHECK]) == text[-CHECK:]
    )


def digest(text: str) -> bytes:
    """What is stored. A plain SHA-256 is enough: the key itself is random, 190 bits."""
    return hashlib.sha256(text.encode()).digest()
