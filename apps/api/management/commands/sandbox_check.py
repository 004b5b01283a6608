"""`manage.py sandbox_check`: whether the wall around component code stands on this host.

    sandbox_check                          what is enforced, then every attack in both languages
    sandbox_check redirect symlink-out     the same with these attacks alone
    sandbox_check --list                   what the attacks are

It starts children of its own, beside a running platform or without one, and touches no queue and no
database. The egress rules are the built-in ones, whatever EGRESS_ALLOW opens. Exit code: 0 all
attacks were stopped, 1 some were not, 2 the wall cannot be put up.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandError, CommandParser

from workers.runtime.attacks import CATALOGUE
from workers.runtime.attacks.model import Attack
from workers.runtime.attacks.trial import trial
from workers.runtime.broker import BrokerError
from workers.runtime.findings import table
from workers.settings import runtime_settings

NOT_STOPPED, NO_WALL = 1, 2


class Command(BaseCommand):
    help = "Say what the wall around component code enforces here, and try every attack on it."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        names = [attack.name for attack in CATALOGUE]
        parser.add_argument("attack", nargs="*", help="names of attacks; without any, all of them")
        parser.add_argument("--list", action="store_true", help="say what the attacks are")
        self._names = frozenset(names)

    def handle(self, *_args: Any, **options: Any) -> None:
        if unknown := sorted({*options["attack"]} - self._names):
            raise CommandError(f"no such attack: {', '.join(unknown)}", returncode=NO_WALL)
        if options["list"]:
            self._list()
            return
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
        attacks = [a for a in CATALOGUE if a.name in (options["attack"] or self._names)]
        try:
            stopped = asyncio.run(self._check(attacks))
        except (BrokerError, OSError) as error:
            raise CommandError(f"the wall cannot be put up: {error}", returncode=NO_WALL) from None
        if not stopped:
            raise SystemExit(NOT_STOPPED)

    async def _check(self, attacks: list[Attack]) -> bool:
        given = runtime_settings()
        if given.sandbox != "on":
            self.stderr.write("SANDBOX=unsafe: the workers run components WITHOUT this wall")
        tried = through = 0
        own = replace(given, sandbox="on", egress_allow=(), egress_deny=(), egress_ca="")
        async with trial(own) as started:
            self.stdout.write(table(started.runtime.wall) + "\n\n")
            for attack in attacks:
                for language in attack.languages:
                    verdict = await started.run(attack, language)
                    tried += 1
                    through += not verdict.stopped
                    self.stdout.write(f"{attack.name:<22} {language:<11} {verdict}")
                    self.stdout.flush()
        self.stdout.write(f"\n{tried} attacks, {f'{through} NOT' if through else 'all'} stopped")
        return not through

    def _list(self) -> None:
        for attack in CATALOGUE:
            self.stdout.write(f"{attack.name:<22} {attack.tries}")
            if attack.absent:
                self.stdout.write(f"{'':<22} ({attack.languages[0]} only: {attack.absent})")
