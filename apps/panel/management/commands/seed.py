"""`manage.py seed`: fill an empty database with rows by the million, to try the panel with.

seed --sources 100000 --events 1000000 --runs 1000000     the defaults
seed --sources 1000 --events 10000 --runs 10000           in a second or two
"""

from __future__ import annotations

import time
from dataclasses import fields
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.panel.seeding import Refused, Sizes, check, seed


class Command(BaseCommand):
    help = (
        "Fill a database with rows that look like those of a busy platform. Nothing of it starts"
        " to run: sources with a timer are inactive, their queued runs wait, and what is pending"
        " belongs to webhooks that are switched off."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        for field in fields(Sizes):
            parser.add_argument(
                f"--{field.name}",
                type=int,
                default=field.default,
                metavar="N",
                help=f"default {field.default:,}",
            )
        parser.add_argument(
            "--owner",
            default="seed",
            metavar="USERNAME",
            help="of the first user; the others are USERNAME-1, USERNAME-2 … (default: seed)",
        )
        parser.add_argument("--force", action="store_true", help="even where sources of others are")

    def handle(self, *_args: Any, owner: str, force: bool, **options: Any) -> None:
        began = time.monotonic()
        try:
            if not force:
                check(owner)
            seed(owner, Sizes(**{f.name: options[f.name] for f in fields(Sizes)}), self.say)
        except (Refused, ValueError) as error:
            raise CommandError(f"{error}") from None
        self.say(f"seeded in {time.monotonic() - began:.1f} s")

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
