"""OAuth 2.0 as a client: what is sent to a provider, and what its answers mean. The only door to
oauthlib; pure but for random numbers. The requests are carried out by `workers.renewing` and
`workers.connecting` over the platform's one outbound client.

Authorization code with PKCE (RFC 6749, 7636) and refresh. `$auth` gets the names that published
components read: `oauth_access_token`, `oauth_refresh_token`, and whatever `fields` of the client
settings name besides, such as `oauth_uid`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

import orjson
from oauthlib.oauth2 import OAuth2Error, WebApplicationClient

ACCESS, REFRESH = "oauth_access_token", "oauth_refresh_token"
VERIFIER_CHARACTERS = 64
REASON_CHARACTERS = 200
# The provider says that the grant itself is dead: asking again cannot help.
_FINAL = frozenset({"invalid_grant", "bad_refresh_token"})
# Parameters of an authorization request that no setting may replace.
RESERVED = frozenset(
    {"response_type", "client_id", "redirect_uri", "scope", "state"}
    | {"code_challenge", "code_challenge_method"}
)
_LONGEST_SECONDS = 10 * 365 * 86_400


@dataclass(frozen=True, slots=True)
class Provider:
    """The client settings of one app (`apps.accounts.models.OAuthClient`), the secret in clear."""

    app_slug: str
    authorize_url: str
    token_url: str
    client_id: str
    client_secret: str = ""
    token_auth: str = "basic"  # noqa: S105  (a method's name)
    scopes: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    pkce: bool = True
    fields: Mapping[str, str] = field(default_factory=dict)
    profile_url: str = ""

    def __repr__(self) -> str:
        return f"Provider({self.app_slug!r})"


@dataclass(frozen=True, slots=True)
class Request:
    """To be sent as it is; `body` is empty for a GET."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Token:
    """What a provider gave: credentials for `$auth`, and for how many seconds (None = not told)."""

    credentials: dict[str, Any]
    seconds: int | None

    def __repr__(self) -> str:
        return "Token()"


class Refused(Exception):
    """The provider's no, or an answer that is none. `final`: the grant is dead, asking again cannot
    help. The message is fit for the account's owner: it holds no secret of the request."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


def new_verifier() -> str:
    verifier: str = WebApplicationClient("").create_code_verifier(VERIFIER_CHARACTERS)
    return verifier


def authorization_url(
    provider: Provider, redirect_uri: str, state: str, verifier: str | None
) -> str:
    """Where the browser is sent. With a verifier its S256 challenge goes along."""
    client = WebApplicationClient(provider.client_id)
    extra: dict[str, str] = dict(provider.parameters)
    if verifier is not None:
        extra["code_challenge"] = client.create_code_challenge(verifier, "S256")
        extra["code_challenge_method"] = "S256"
    url: str = client.prepare_request_uri(
        provider.authorize_url,
        redirect_uri=redirect_uri,
        scope=provider.scopes or None,
        state=state,
        **extra,
    )
    return url


def code_request(provider: Provider, code: str, redirect_uri: str, verifier: str | None) -> Request:
    body = WebApplicationClient(provider.client_id).prepare_request_body(
        code=code,
        redirect_uri=redirect_uri,
        code_verifier=verifier,
        **_in_body(provider),
    )
    return _to_token_url(provider, body)


def refresh_request(provider: Provider, refresh_token: str) -> Request:
    client = WebApplicationClient(provider.client_id)
    own = _in_body(provider)
    if own.pop("include_client_id"):
        own["client_id"] = provider.client_id
    return _to_token_url(provider, client.prepare_refresh_body(refresh_token=refresh_token, **own))


def profile_request(provider: Provider, token: Token) -> Request:
    headers = {"Authorization": f"Bearer {token.credentials[ACCESS]}", "Accept": "application/json"}
    return Request("GET", provider.profile_url, headers)


def _in_body(provider: Provider) -> dict[str, Any]:
    """How the client shows who it is, as far as it does so in the body (RFC 6749, 2.3.1)."""
    if provider.client_secret and provider.token_auth == "basic":  # noqa: S105 (a method)
        return {"include_client_id": False}
    if provider.client_secret:
        return {"include_client_id": True, "client_secret": provider.client_secret}
    return {"include_client_id": True}


def _to_token_url(provider: Provider, body: str) -> Request:
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        # Without it some providers answer in a form.
        "Accept": "application/json",
    }
    if provider.client_secret and provider.token_auth == "basic":  # noqa: S105 (a method)
        pair = f"{quote_plus(provider.client_id)}:{quote_plus(provider.client_secret)}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return Request("POST", provider.token_url, headers, body.encode())


# --- answers -----------------------------------------------------------------------------------


def read_token(provider: Provider, status: int, body: bytes) -> Token:
    """The answer of the token endpoint. Raises Refused."""
    text = body.decode(errors="replace")
    if status >= 500:
        raise Refused(f"the provider answered {status}")
    try:
        answer = dict(WebApplicationClient(provider.client_id).parse_request_body_response(text))
    except OAuth2Error as refused:
        code = str(refused.error)
        if code == "missing_token":
            raise Refused(f"the provider answered {status} without a token") from None
        told = f"{code}: {refused.description}" if refused.description else code
        raise Refused(_fit(provider, told), final=code in _FINAL) from None
    except (ValueError, AttributeError, TypeError, Warning):
        raise Refused(f"the provider answered {status} with what is no token") from None
    if status != 200 or not isinstance(answer.get("access_token"), str):
        raise Refused(f"the provider answered {status} without a token")
    credentials: dict[str, Any] = {ACCESS: answer["access_token"]}
    if isinstance(answer.get("refresh_token"), str) and answer["refresh_token"]:
        credentials[REFRESH] = answer["refresh_token"]
    return Token(credentials | named(provider, answer), _seconds(answer.get("expires_in")))


def read_profile(provider: Provider, status: int, body: bytes) -> dict[str, Any]:
    """The credentials that the provider's answer about the account gives. Raises Refused."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    if status != 200 or not isinstance(answer, dict):
        raise Refused(f"the provider's profile answered {status} without an object")
    return named(provider, answer)


def named(provider: Provider, answer: Mapping[str, Any]) -> dict[str, Any]:
    """What `fields` of the settings find in an answer: `$auth` name → dotted path of a scalar."""
    found: dict[str, Any] = {}
    for name, path in provider.fields.items():
        value: Any = answer
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, str | int | float | bool):
            found[name] = value
    return found


def _seconds(value: Any) -> int | None:
    return min(value, _LONGEST_SECONDS) if isinstance(value, int) and value > 0 else None


def _fit(provider: Provider, text: str) -> str:
    """One short line, in which the provider does not quote the client's secret."""
    if provider.client_secret:
        text = text.replace(provider.client_secret, "***")
    return " ".join(text.split())[:REASON_CHARACTERS]
