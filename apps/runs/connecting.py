"""The last step of connecting an account by OAuth: the code that came back becomes an account.

Web side:    operation = connecting.start(row, code); wait; account = connecting.conclude(…)
Worker side: given = connecting.given(…); the provider is asked; connecting.finish(…), or
             `operations.refuse` when it refuses

The code and the PKCE verifier are encrypted while they wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from apps.accounts import connected
from apps.accounts.models import Account, Connecting
from apps.accounts.oauth import Token
from apps.core import errors, secrets
from apps.runs import operations
from apps.runs.models import Operation

# Two requests to the provider of at most 15 s each, and to be taken up by a worker.
SECONDS = 45.0


@dataclass(frozen=True, slots=True)
class Given:
    """What a worker exchanges for a token. Never logged."""

    app_slug: str
    code: str
    verifier: str | None

    def __repr__(self) -> str:
        return f"Given({self.app_slug!r})"


def start(row: Connecting, code: str) -> Operation:
    """Raises `secrets.Undecipherable`."""
    verifier = secrets.decrypt(row.verifier) if row.verifier else None
    args = {
        "app_slug": row.app_slug,
        "name": row.name,
        "account_id": row.account_id,
        "given": secrets.encrypt({"code": code, "verifier": verifier}),
    }
    return operations.enqueue("connect", row.owner_id, args)


def given(args: Mapping[str, Any]) -> Given:
    """Raises `secrets.Undecipherable`."""
    found: Any = secrets.decrypt(args["given"])
    return Given(args["app_slug"], found["code"], found["verifier"])


def finish(operation_id: int, owner_id: str, args: Mapping[str, Any], token: Token) -> bool:
    """Keep the account and end the operation. False: nobody waits for it any more, and nothing is
    kept."""
    with transaction.atomic():
        account = connected.keep_token(
            owner_id, args["app_slug"], args["name"], args["account_id"], token
        )
        if operations.finish(operation_id, {"account_id": account.id}):
            return True
        transaction.set_rollback(True)
        return False


def conclude(operation_id: int) -> Account:
    """Raises ApiError: what the provider refused for; 503 when no worker has done it in time."""
    operation = operations.take(operation_id)
    if operation is None:
        raise errors.unavailable("no worker answered in time; connect the account again")
    if (refused := operations.refusal(operation)) is not None:
        raise refused
    return Account.objects.get(id=operation.result["account_id"])
