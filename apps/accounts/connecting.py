"""Connecting an account by OAuth 2.0: from an API key to a browser, to the provider and back.

An API key is no browser session, so the way has three steps, each of which works once and within
LIFE (ten minutes in all):

    offered  `POST /v1/connect/{app}` makes an address for its caller to open: a random ticket
    opened   the person who opened it agreed: the browser is sent to the provider with `state` and
             a PKCE challenge, and given a cookie
    used     the provider sent the same browser back: the code is exchanged, whatever comes of it

Whoever opens the address is shown for which user the account will be connected, and must agree by a
POST of that page: a link that somebody else sent starts nothing by itself. Of ticket, state and
cookie only the SHA-256 are kept; the PKCE verifier is encrypted.
"""

from __future__ import annotations

import hashlib
import secrets as random
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet

from apps.accounts import oauth
from apps.accounts.models import Account, Connecting, OAuthClient, User
from apps.accounts.oauth import Provider
from apps.core import errors, secrets
from apps.core.clock import AppNow, app_now

LIFE = timedelta(minutes=10)
Stage = Connecting.Stage


@dataclass(frozen=True, slots=True)
class Opening:
    """Where the browser goes, and the cookie that it must bring back."""

    url: str
    cookie: str


def redirect_uri() -> str:
    """What operators register with each provider."""
    return f"{settings.PUBLIC_URL}/connect/callback"


def client_of(app_slug: str) -> OAuthClient | None:
    return OAuthClient.objects.filter(app_slug=app_slug).first()


def provider_of(client: OAuthClient) -> Provider:
    """The settings with the secret in clear. Raises `secrets.Undecipherable`."""
    sealed = client.client_secret
    return Provider(
        app_slug=client.app_slug,
        authorize_url=client.authorize_url,
        token_url=client.token_url,
        client_id=client.client_id,
        client_secret=str(secrets.decrypt(sealed)) if sealed else "",
        token_auth=client.token_auth,
        scopes=client.scopes,
        parameters=client.parameters,
        pkce=client.pkce,
        fields=client.fields,
        profile_url=client.profile_url,
    )


def offer(
    owner: User, app_slug: str, name: str | None, account: Account | None
) -> tuple[Connecting, str]:
    """A new way, and its ticket, which is not kept. `account`: the one that is connected again.

    ApiError 404 `no_oauth_client`: the operator has no client settings for the app; 400 for an
    account of another app.
    """
    if client_of(app_slug) is None:
        raise errors.ApiError(
            404, "no_oauth_client", "the operator has no OAuth client settings for this app"
        )
    if account is not None and account.app_slug != app_slug:
        raise errors.invalid(
            "account_id", f"account_id: {account.id} is an account of {account.app_slug}"
        )
    ticket = random.token_urlsafe(32)
    row = Connecting.objects.create(
        ticket=_digest(ticket),
        owner=owner,
        app_slug=app_slug,
        name=name or "",
        account=account,
        expires_at=app_now() + LIFE,
    )
    return row, ticket


def offered(ticket: str) -> Connecting | None:
    """What this ticket offers; None: it was used, is too old, or never was."""
    return _live(Stage.OFFERED).filter(ticket=_digest(ticket)).select_related("owner").first()


def open_offer(ticket: str) -> Opening | None:
    """`offered` → `opened`. None as of `offered`, also when the client settings have gone.

    Raises `secrets.Undecipherable`, having changed nothing.
    """
    row = offered(ticket)
    client = None if row is None else client_of(row.app_slug)
    if row is None or client is None:
        return None
    provider = provider_of(client)
    state, cookie = random.token_urlsafe(32), random.token_urlsafe(32)
    verifier = oauth.new_verifier() if client.pkce else None
    changed = _live(Stage.OFFERED).filter(id=row.id)
    opened = changed.update(
        stage=Stage.OPENED,
        state=_digest(state),
        browser=_digest(cookie),
        verifier="" if verifier is None else secrets.encrypt(verifier),
    )
    if opened != 1:
        return None
    url = oauth.authorization_url(provider, redirect_uri(), state, verifier)
    return Opening(url, cookie)


def come_back(state: str, cookie: str) -> Connecting | None:
    """`opened` → `used`, for the browser that was sent. None: another browser, used before, too
    old, or never begun."""
    mine = _live(Stage.OPENED).filter(state=_digest(state), browser=_digest(cookie))
    row = mine.first()
    if row is None or mine.update(stage=Stage.USED) != 1:
        return None
    return row


def forget_old() -> None:
    """Remove ways that ended long ago (hourly, by the sweeper)."""
    Connecting.objects.filter(expires_at__lt=app_now() - timedelta(days=1)).delete()


def _live(stage: str) -> QuerySet[Connecting]:
    return Connecting.objects.filter(stage=stage, expires_at__gt=AppNow())


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
