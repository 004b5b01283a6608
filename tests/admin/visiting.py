"""An operator's browser at the web process, by HTTP."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Permission
from django.contrib.sessions.backends.db import SessionStore

from apps.accounts.models import User
from apps.core.ids import new_id
from tests.making import World

BACKEND = "django.contrib.auth.backends.ModelBackend"


def operator(world: World, *permissions: str, superuser: bool = False) -> User:
    """A committed row of staff, with these permissions."""
    user_id = new_id("u")
    world.insert(
        User,
        id=user_id,
        username=user_id,
        password=f"!{user_id}",
        date_joined=datetime.now(UTC),
        is_staff=True,
        is_superuser=superuser,
    )
    for permission in permissions:
        app, codename = permission.split(".")
        found = Permission.objects.get(content_type__app_label=app, codename=codename)
        world.sql(
            "INSERT INTO accounts_user_user_permissions (user_id, permission_id) VALUES (%s, %s)",
            user_id,
            found.pk,
        )
    return User.objects.get(id=user_id)


def log_in(user: User) -> str:
    """The key of a new session, as logging in leaves it."""
    session = SessionStore()
    session[SESSION_KEY] = user.pk
    session[BACKEND_SESSION_KEY] = BACKEND
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    assert session.session_key is not None
    return session.session_key


class Visitor:
    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(path)

    async def press(self, page: str, action: str, **fields: str) -> httpx.Response:
        """POST with the token that the page's form has."""
        html = (await self.client.get(page)).text
        token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', html)[0]
        data: dict[str, Any] = {"csrfmiddlewaretoken": token, **fields}
        # As a browser of the instance's own address does.
        return await self.client.post(action, data=data, headers={"Origin": settings.PUBLIC_URL})


@asynccontextmanager
async def visiting(base: str, session: str) -> AsyncIterator[Visitor]:
    cookies = {settings.SESSION_COOKIE_NAME: session}
    async with httpx.AsyncClient(base_url=base, cookies=cookies, timeout=60) as client:
        yield Visitor(client)
