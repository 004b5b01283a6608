"""`dev`: work on a file and see at once what it does."""

from __future__ import annotations

from pathlib import Path

import click

from headwater_cli import printing
from headwater_cli.api import Resource
from headwater_cli.commands.deploy import show_placed
from headwater_cli.commands.events import width
from headwater_cli.commands.options import connect, output, props
from headwater_cli.developing import Session
from headwater_cli.props import Given
from headwater_cli.tailing import tail_line


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", help="Of the source; else the component's own name and `dev`.")
@click.option("--keep", is_flag=True, help="Leave the source there at the end.")
@props
@output
def dev(file: Path, name: str | None, keep: bool, given: Given, as_json: bool) -> None:
    """Deploy FILE, deploy it again at each save, and show its events and logs until Ctrl-C.

    It gets a source of its own, which is deleted at the end. A source of that name that was there
    before is used, and left there.
    """

    def show(event: Resource) -> None:
        if as_json:
            printing.show_line(event)
        elif (line := tail_line(event, width())) is not None:
            printing.show(line)

    def deployed(source: Resource) -> None:
        if as_json:
            printing.note(f"deployed {source['name']!r} ({source['id']})")
        else:
            show_placed(source, is_new=True)

    Session(connect, file, given, name=name, show=show, deployed=deployed).run(keep=keep)


COMMANDS = [dev]
