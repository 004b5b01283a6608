"""Where this application keeps encrypted values (`apps.core.rotation`)."""

from __future__ import annotations

from apps.accounts.models import Account, Connecting, OAuthClient
from apps.core.rotation import column_store, text

STORES = [
    column_store("connections under way", Connecting, {"verifier": text}),
    column_store("accounts", Account, {"credentials": text}),
    column_store("OAuth clients", OAuthClient, {"client_secret": text}),
]
