"""`manage.py rotate_secrets`: encrypt every stored secret anew with the first key."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.api.sealed import STORES
from apps.core.rotation import Turn


class Command(BaseCommand):
    help = (
        "Encrypt every stored secret anew with the first of ENCRYPTION_KEYS; afterwards the other"
        " keys can be dropped. May be stopped and started again. Exit code 1 when a secret is left"
        " that no key opens."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=200, help="rows in one transaction")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Walk until a whole walk finds nothing to do: what was under way during one of them (an
        update of a source that had read the old row) is found by the next."""
        while True:
            turns = {store.name: Turn() for store in STORES}
            for store in STORES:
                turn = turns[store.name]
                store.walk(max(1, options["batch"]), turn)
                self.stdout.write(f"{store.name}: {turn.turned} of {turn.seen} encrypted anew")
            if not any(turn.turned for turn in turns.values()):
                break
        lost = {name: turn.lost for name, turn in turns.items() if turn.lost}
        if lost:
            told = ", ".join(f"{count} of {name}" for name, count in lost.items())
            self.stderr.write(f"no key opens {told}; they were left as they are")
            raise SystemExit(1)
        self.stdout.write("every secret is encrypted with the first key; the others can be dropped")
