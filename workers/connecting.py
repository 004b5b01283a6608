"""Errands of the kind `connect`: a code that a browser brought back is exchanged for a token."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from apps.accounts import oauth
from apps.accounts.connecting import redirect_uri
from apps.accounts.oauth import Refused, Token
from apps.core.errors import ApiError
from apps.core.secrets import Undecipherable
from apps.runs import connecting, operations
from workers.accounts import Accounts
from workers.database import in_thread


async def connect(
    accounts: Accounts, operation_id: int, owner_id: str, args: dict[str, Any], attempt: int
) -> None:
    """Never twice: a code is good for one exchange."""
    try:
        if attempt > 1:
            raise ApiError(503, "worker_lost", "the worker died; connect the account again")
        token = await _token(accounts, connecting.given(args))
        await in_thread(connecting.finish, operation_id, owner_id, args, token)
    except ApiError as refused:
        await in_thread(operations.refuse, operation_id, refused)
    except Refused as refused:
        error = ApiError(400, "connect_failed", f"the account was not connected: {refused}")
        await in_thread(operations.refuse, operation_id, error)
    except Undecipherable as lost:
        error = ApiError(409, "secret_lost", str(lost))
        await in_thread(operations.refuse, operation_id, error)


async def _token(accounts: Accounts, given: connecting.Given) -> Token:
    """The token, and what the provider's profile says of the account. Raises Refused."""
    provider = await accounts.provider(given.app_slug)
    request = oauth.code_request(provider, given.code, redirect_uri(), given.verifier)
    token = oauth.read_token(provider, *await accounts.ask(request))
    if not provider.profile_url:
        return token
    answer = await accounts.ask(oauth.profile_request(provider, token))
    return replace(token, credentials=oauth.read_profile(provider, *answer) | token.credentials)
