"""Access tokens that end are renewed before they do: one renewal at a time for each account.

A row says that somebody is at it: `refreshing_until` is claimed by a conditional update, the
provider is asked with no transaction open, and the new credentials go in only if nobody changed the
account meanwhile (`version`). A worker that dies in between holds the claim for CLAIM_SECONDS, no
longer. The rows' side is here; `workers.accounts` asks the provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from apps.accounts.oauth import Provider
from apps.core import secrets

# Longer than a renewal may take (`workers.accounts`), so that no two are at it.
CLAIM_SECONDS = 40.0
# After a renewal that failed for a reason that may pass.
PAUSE_SECONDS = 30.0
# A token is renewed when less than this is left, or a quarter of its life if that is less: a run
# may take five minutes.
MARGIN_SECONDS = 360
PART_OF_LIFE = 4


@dataclass(frozen=True, slots=True)
class Opened:
    """A live account with its credentials in clear. Never logged, never queued.

    stale    its access token ends soon, or has ended (`expired`)
    dead     it cannot be renewed any more: `error` says why
    paused   a renewal failed a moment ago (`error`)
    claimed  somebody is renewing it
    """

    id: str
    app_slug: str
    credentials: dict[str, Any]
    version: int
    stale: bool
    expired: bool
    error: str
    dead: bool
    paused: bool
    claimed: bool

    def __repr__(self) -> str:
        return f"Opened({self.id!r})"


_OPEN = """
SELECT id, app_slug, credentials, version,
       coalesce(refresh_at <= app_now(), false), coalesce(expires_at <= app_now(), false), error,
       error <> '' AND retry_at IS NULL, coalesce(retry_at > app_now(), false),
       coalesce(refreshing_until > app_now(), false)
FROM accounts_account
WHERE id = %(id)s AND owner_id = %(owner)s AND deleted_at IS NULL
"""

_CLAIM = """
UPDATE accounts_account SET refreshing_until = app_now() + %(seconds)s * interval '1 second'
WHERE id = %(id)s AND version = %(version)s AND deleted_at IS NULL
  AND (refreshing_until IS NULL OR refreshing_until <= app_now())
"""

_KEEP = """
UPDATE accounts_account
SET credentials = %(credentials)s, version = version + 1, updated_at = app_now(),
    expires_at = app_now() + %(seconds)s * interval '1 second',
    refresh_at = app_now() + %(fresh)s * interval '1 second',
    refreshing_until = NULL, retry_at = NULL, error = ''
WHERE id = %(id)s AND version = %(version)s AND deleted_at IS NULL
"""

_FAIL = """
UPDATE accounts_account
SET refreshing_until = NULL, error = %(error)s,
    retry_at = CASE WHEN %(final)s THEN NULL ELSE app_now() + %(pause)s * interval '1 second' END
WHERE id = %(id)s AND version = %(version)s
"""

_PROVIDER = """
SELECT app_slug, authorize_url, token_url, client_id, client_secret, token_auth, scopes, parameters,
       pkce, fields, profile_url
FROM accounts_oauthclient WHERE app_slug = %(app)s
"""


def fresh_for(seconds: int) -> int:
    """For how long a token that lives `seconds` is used without a thought of renewing it."""
    return seconds - min(MARGIN_SECONDS, seconds // PART_OF_LIFE)


async def opened(connection: AsyncConnection[Any], owner_id: str, account_id: str) -> Opened | None:
    """The owner's live account. Raises `secrets.Undecipherable`."""
    cursor = await connection.execute(_OPEN, {"id": account_id, "owner": owner_id})
    row = await cursor.fetchone()
    if row is None:
        return None
    account_id, app_slug, sealed, *facts = row
    credentials = secrets.decrypt(sealed)
    assert isinstance(credentials, dict)
    return Opened(account_id, app_slug, credentials, *facts)


async def claim(connection: AsyncConnection[Any], account: Opened) -> bool:
    """Take the renewal of an account. False: somebody else has it, or the account has changed."""
    values = {"id": account.id, "version": account.version, "seconds": CLAIM_SECONDS}
    return (await connection.execute(_CLAIM, values)).rowcount == 1


async def keep(
    connection: AsyncConnection[Any],
    account: Opened,
    credentials: Mapping[str, Any],
    seconds: int | None,
) -> bool:
    """Put renewed credentials in place and end the claim. False: the account was changed or deleted
    meanwhile, and has what its owner gave it."""
    values = {
        "id": account.id,
        "version": account.version,
        "credentials": secrets.encrypt(dict(credentials)),
        "seconds": seconds,
        "fresh": None if seconds is None else fresh_for(seconds),
    }
    return (await connection.execute(_KEEP, values)).rowcount == 1


async def fail(
    connection: AsyncConnection[Any], account: Opened, error: str, *, final: bool
) -> None:
    """End the claim without new credentials; `final`: nobody need try again."""
    values = {
        "id": account.id,
        "version": account.version,
        "error": error,
        "final": final,
        "pause": PAUSE_SECONDS,
    }
    await connection.execute(_FAIL, values)


async def provider(connection: AsyncConnection[Any], app_slug: str) -> Provider | None:
    """The client settings of an app. Raises `secrets.Undecipherable`."""
    cursor = await connection.execute(_PROVIDER, {"app": app_slug})
    row = await cursor.fetchone()
    if row is None:
        return None
    slug, authorize_url, token_url, client_id, sealed, *rest = row
    secret = str(secrets.decrypt(sealed)) if sealed else ""
    return Provider(slug, authorize_url, token_url, client_id, secret, *rest)
