"""Where this application keeps encrypted values (`apps.core.rotation`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.core.rotation import column_store
from apps.subscriptions.models import Webhook


def _keys(value: list[dict[str, Any]], turn: Callable[[str], str]) -> list[dict[str, Any]]:
    return [{**one, "key": turn(one["key"])} for one in value]


STORES = [column_store("webhooks", Webhook, {"secret": _keys})]
