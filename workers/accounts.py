"""Credentials for an invocation: read when it starts, handed to its child in a frame, kept nowhere.

`Accounts.grant` stands before every call of component code: runs, hooks, choices, dry runs. An
access token that ends soon is renewed first, once for all who want it: those of this worker wait
for the same task, those of others for the row's claim (`apps.accounts.renewing`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

import psycopg

from apps.accounts import oauth, renewing
from apps.accounts.oauth import REFRESH, Provider, Refused
from apps.accounts.renewing import Opened
from apps.core.http import Client, Failed
from apps.core.secrets import Undecipherable
from apps.runs.contract import RunError
from apps.sources.resolving import Need, Resolved
from workers.database import Line

logger = logging.getLogger(__name__)

ERROR_NAME = "Account Error"
# In all, of one request to a provider.
PROVIDER_SECONDS = 15.0
# Between looks at an account that another worker is renewing.
LOOK_SECONDS = 0.1
# While the row's claim lasts.
KEEP_TRIES, KEEP_PAUSE_SECONDS = 20, 1.0
# Of an answer of a provider's, in bytes.
ANSWER_BYTES = 256 * 1024
_LOST = "cannot be read: it was encrypted with another key; connect it again"


class NotGranted(Exception):
    """An account that cannot be used; `error` is what the run ends with."""

    def __init__(self, need: Need, reason: str) -> None:
        message = f"{need.prop}: the account {need.account_id} of {need.app} {reason}"
        super().__init__(message)
        self.error = RunError(ERROR_NAME, message, code="account_error")


class Accounts:
    """Of one worker, with a connection of its own: COMMIT waits for the disk, as a renewed token is
    often the only good one. `client` carries what is asked of providers."""

    def __init__(self, line: Line, client: Client) -> None:
        self._line = line
        self._client = client
        self._renewals: dict[str, asyncio.Task[None]] = {}

    async def grant(self, owner_id: str, wanted: Resolved) -> Resolved:
        """With the credentials of every account that its app props name.

        Raises NotGranted, and psycopg errors: then nothing has begun.
        """
        if not wanted.needs:
            return wanted
        auth = {need.prop: await self._credentials(owner_id, need) for need in wanted.needs}
        return wanted.granted(auth)

    async def stop(self, grace_seconds: float) -> None:
        """Let renewals end: the token that a provider has just given is the only good one."""
        if self._renewals:
            await asyncio.wait(self._renewals.values(), timeout=grace_seconds)
        await self._client.close()
        await self._line.close()

    async def ask(self, request: oauth.Request) -> tuple[int, bytes]:
        """Status and body of a provider's answer. Raises Refused."""
        try:
            return await self._client.exchange(
                request.method, request.url, request.headers, request.body, longest=ANSWER_BYTES
            )
        except Failed as failed:
            raise Refused(f"the provider could not be asked ({failed.code})") from None

    async def provider(self, app_slug: str) -> Provider:
        """The client settings of an app. Raises Refused."""
        try:
            async with self._line as connection:
                found = await renewing.provider(connection, app_slug)
        except Undecipherable:
            raise Refused("the client settings were encrypted with another key") from None
        if found is None:
            raise Refused(f"the operator has no client settings for {app_slug}")
        return found

    async def _credentials(self, owner_id: str, need: Need) -> Mapping[str, Any]:
        while True:
            account = await self._open(owner_id, need)
            if not account.stale:
                return account.credentials
            if account.dead or account.paused:
                if account.expired:
                    raise NotGranted(need, _told(account))
                return account.credentials
            if account.id not in self._renewals and account.claimed:
                await asyncio.sleep(LOOK_SECONDS)
                continue
            await asyncio.shield(self._renewal(account))

    async def _open(self, owner_id: str, need: Need) -> Opened:
        try:
            async with self._line as connection:
                account = await renewing.opened(connection, owner_id, need.account_id)
        except Undecipherable:
            raise NotGranted(need, _LOST) from None
        if account is None or account.app_slug != need.app:
            raise NotGranted(
                need, f"is gone: connect another and name it in configured_props.{need.prop}"
            )
        return account

    # --- renewing -------------------------------------------------------------------------------

    def _renewal(self, account: Opened) -> asyncio.Task[None]:
        """The one task of this worker that renews the account; whoever waits for it may go."""
        if (task := self._renewals.get(account.id)) is None:
            task = self._renewals[account.id] = asyncio.create_task(self._renew(account))
            task.add_done_callback(partial(self._renewed, account.id))
        return task

    def _renewed(self, account_id: str, task: asyncio.Task[None]) -> None:
        del self._renewals[account_id]
        # Whoever waited has the error too; it may be that nobody did.
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.warning("the renewal of the account %s failed: %r", account_id, error)

    async def _renew(self, account: Opened) -> None:
        """Afterwards the row is fresh, or says why not, or somebody else is at it."""
        async with self._line as connection:
            if not await renewing.claim(connection, account):
                return
        try:
            token = await self._asked(account)
        except Refused as refused:
            logger.warning("the account %s could not be renewed: %s", account.id, refused)
            async with self._line as connection:
                await renewing.fail(connection, account, str(refused), final=refused.final)
            return
        await self._keep(account, token)

    async def _keep(self, account: Opened, token: oauth.Token) -> None:
        """A database that is away for a moment must not cost the token: often there is no other."""
        credentials = account.credentials | token.credentials
        for left in reversed(range(KEEP_TRIES)):
            try:
                async with self._line as connection:
                    await renewing.keep(connection, account, credentials, token.seconds)
                return
            except (psycopg.Error, OSError):
                if not left:
                    raise
                await asyncio.sleep(KEEP_PAUSE_SECONDS)

    async def _asked(self, account: Opened) -> oauth.Token:
        """Raises Refused."""
        provider = await self.provider(account.app_slug)
        refresh = account.credentials.get(REFRESH)
        if not isinstance(refresh, str):
            raise Refused("the provider gave no refresh token", final=True)
        status, body = await self.ask(oauth.refresh_request(provider, refresh))
        return oauth.read_token(provider, status, body)


def _told(account: Opened) -> str:
    again = f"; connect it again: POST /v1/connect/{account.app_slug}" if account.dead else ""
    return f"could not be renewed: {account.error}{again}"
