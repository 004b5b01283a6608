"""`manage.py rebuild_streams [source id …]`: write the Redis streams anew from the ledger."""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from apps.runs.rebuild import rebuild


class Command(BaseCommand):
    help = "Write the Redis streams of all sources (or of those named) anew from the ledger."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source_id", nargs="*", help="dc_…; none = every source")

    def handle(self, *_args: Any, **options: Any) -> None:
        def progress(done: int) -> None:
            if options["verbosity"] > 1:
                self.stdout.write(f"{done} streams rebuilt")

        done = asyncio.run(
            rebuild(
                settings.DATABASE_URL,
                settings.REDIS_URL,
                settings.STREAM_LENGTH,
                options["source_id"],
                progress,
            )
        )
        self.stdout.write(f"{done} streams rebuilt")
