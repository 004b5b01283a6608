"""`events`, `logs`: what a source has emitted and said, and what it does from now on."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from contextlib import suppress

import click

from headwater_cli import printing
from headwater_cli.api import Resource
from headwater_cli.commands.options import connect, output, source_argument
from headwater_cli.following import ERRORS, FIRST, LOGS, follow, newest, position
from headwater_cli.sources import source_id
from headwater_cli.tailing import event_line, log_line

Line = Callable[[Resource, int | None], str]
LAST = click.option(
    "-n", "--limit", type=click.IntRange(0, 100), default=10, show_default=True,
    help="The last so many.",
)  # fmt: skip
FOLLOW = click.option("-f", "--follow", "following", is_flag=True, help="Go on until Ctrl-C.")


@click.command()
@source_argument()
@LAST
@FOLLOW
@click.option("--channel", default="", help="Another channel than the default one.")
@click.option("--errors", is_flag=True, help="The errors of the runs: the channel $errors.")
@output
def events(
    source: str, limit: int, following: bool, channel: str, errors: bool, as_json: bool
) -> None:
    """Show what SOURCE has emitted last, oldest first."""
    if errors and channel:
        raise click.UsageError("--errors and --channel exclude each other")
    _tail(source, ERRORS if errors else channel, limit, following, as_json, event_line)


@click.command()
@source_argument()
@LAST
@FOLLOW
@output
def logs(source: str, limit: int, following: bool, as_json: bool) -> None:
    """Show what the runs of SOURCE have written last, oldest first."""
    _tail(source, LOGS, limit, following, as_json, log_line)


def _tail(
    source: str, channel: str, limit: int, following: bool, as_json: bool, line: Line
) -> None:
    with connect() as api:
        named = source_id(api, source)
        last = newest(api, named, channel, limit) if limit else []
        if as_json and not following:
            printing.show_json(last)
            return
        show = printing.show_line if as_json else _shower(line)
        for event in last:
            show(event)
        if not following:
            return
        after = last[-1]["id"] if last else (FIRST if limit else position(api, named, channel))
        with suppress(KeyboardInterrupt):
            for event in follow(api, named, channel, after, printing.note):
                show(event)


def _shower(line: Line) -> Callable[[Resource], None]:
    def show(event: Resource) -> None:
        printing.show(line(event, width()))

    return show


def width() -> int | None:
    """Of the terminal; None: standard output is none, and nothing is cut."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


COMMANDS = [events, logs]
