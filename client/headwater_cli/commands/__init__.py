"""The commands. Each reads its words, asks the API and prints; nothing is decided here."""

from __future__ import annotations

import click

from headwater_cli import __version__
from headwater_cli.commands import (
    accounts,
    change,
    completion,
    deploy,
    dev,
    events,
    listing,
    login,
    subscribe,
)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 refused, 2 wrong usage, 3 not reachable or not logged in.",
)
@click.version_option(__version__, prog_name="headwater")
def cli() -> None:
    """Deploy and watch the sources of a Headwater, over its REST API."""


MODULES = (login, deploy, dev, listing, events, change, subscribe, accounts, completion)
for module in MODULES:
    for command in module.COMMANDS:
        cli.add_command(command)
