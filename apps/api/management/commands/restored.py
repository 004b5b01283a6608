"""`manage.py restored [--hold]`: make a database that was restored from a backup ready to run.

`python -m stack restore` calls it; by hand it is for databases restored by other means, before any
process runs on them. Done twice it changes nothing more.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.api.sealed import STORES
from apps.core import secrets
from apps.core.rotation import Turn
from apps.runs import restoring
from apps.subscriptions import holding

BATCH = 200


@dataclass(slots=True)
class _Look(Turn):
    """Counts the tokens that no key opens, and turns none."""

    def token(self, old: str) -> str:
        self.seen += 1
        try:
            secrets.decrypt(old)
        except secrets.Undecipherable:
            self.lost += 1
        return old


class Command(BaseCommand):
    help = (
        "Free the leases and cursors of a database that was restored from a backup, and see whether"
        " its secrets can be read. Nothing may run on it. Exit code 1 when no key opens some."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--hold", action="store_true", help="pause every source and every webhook"
        )

    def handle(self, *_args: Any, hold: bool, **_options: Any) -> None:
        holding.let_go()
        self.stdout.write(f"{restoring.let_go()} streams will be written anew")
        if hold:
            carried = asyncio.run(holding.carry_all(settings.DATABASE_URL, settings.MAILBOX_CAP))
            webhooks, sources = holding.pause_webhooks(), restoring.hold()
            self.stdout.write(
                f"{carried} events handed on, {sources} sources and {webhooks} webhooks paused"
            )
        lost = {}
        for store in STORES:
            look = _Look()
            store.walk(BATCH, look)
            if look.lost:
                lost[store.name] = look.lost
        if lost:
            told = ", ".join(f"{count} of {name}" for name, count in lost.items())
            raise CommandError(
                f"no key opens {told}: put the original's secret_key into {settings.DATA_DIR},"
                " or set ENCRYPTION_KEYS"
            )
