"""`manage.py verify_ledger`: rebuild every source from its ledger and report any difference."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.sources import ledger


class Command(BaseCommand):
    help = "Rebuild sources and timers from the ledger; exit code 1 when a row differs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", nargs="*", help="ids of sources; without any, all of them")

    def handle(self, *_args: Any, **options: Any) -> None:
        sources = found = 0
        for source, lines in ledger.verify(options["source"]):
            sources += 1
            for line in lines:
                found += 1
                self.stdout.write(f"{source.id}: {line}")
        self.stdout.write(f"{sources} sources verified, {found} differences")
        if found:
            raise SystemExit(1)
