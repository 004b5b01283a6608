"""What the tests of creating and changing sources share."""

from __future__ import annotations

from django.db import connection

from apps.components.models import Component
from tests.api.clerk import FEED
from tests.api.conftest import Api, make_component

CODE = "class MyFeed(Source): ..."
HOOKS = {**FEED, "hooks": ["deploy", "activate", "deactivate"]}


def hooking(owner: Api) -> Component:
    return make_component(owner.user, hooks=HOOKS["hooks"], props=FEED["props"])


def mailbox() -> list[tuple[str, bytes]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT cause, payload FROM mailbox ORDER BY id")
        return [(cause, bytes(payload)) for cause, payload in cursor.fetchall()]
