"""JSON web tokens with HMAC-SHA256 (RFC 7515), as providers make and check them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any


def made(claims: dict[str, Any], secret: bytes) -> str:
    head = _text(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    signed = f"{head}.{_text(json.dumps(claims).encode())}"
    return f"{signed}.{_text(_digest(signed, secret))}"


def opened(token: str, secret: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims. Fails the test when the signature is another's."""
    signed, _, signature = token.rpartition(".")
    assert _text(_digest(signed, secret)) == signature
    head, claims = (json.loads(_bytes(part)) for part in signed.split("."))
    return head, claims


def _digest(signed: str, secret: bytes) -> bytes:
    return hmac.new(secret, signed.encode(), hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
