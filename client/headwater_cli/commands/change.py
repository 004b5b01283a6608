"""`run`, `update`, `pause`, `resume`, `delete`: what is done with a source that is there."""

from __future__ import annotations

import sys
from typing import IO

import click

from headwater_cli import printing
from headwater_cli.commands.deploy import show_placed
from headwater_cli.commands.options import connect, output, props, read_object, source_argument
from headwater_cli.failures import Failure
from headwater_cli.places import placed
from headwater_cli.props import Given, configured
from headwater_cli.sources import component_of, find_source, saved_component, source_id


@click.command()
@source_argument()
@click.option(
    "--event", "file", type=click.File("rb"), metavar="FILE",
    help="A JSON object, which the run gets as its event; - is standard input.",
)  # fmt: skip
def run(source: str, file: IO[bytes] | None) -> None:
    """Run SOURCE once, now. It goes on by itself: see `headwater logs`."""
    event = {} if file is None else read_object(file, "--event")
    with connect() as api:
        named = source_id(api, source)
        api.post(f"sources/{named}/run", event)
    printing.note(f"{source} will run")


@click.command()
@source_argument()
@click.option("--name", help="Its new name; its slug follows.")
@click.option("--code", metavar="WHAT", help="New code for it: what `deploy` takes.")
@click.option("--unset", multiple=True, metavar="NAME", help="Give a prop its default back.")
@props
@output
def update(
    source: str,
    name: str | None,
    code: str | None,
    given: Given,
    as_json: bool,
) -> None:
    """Change the name, the props or the code of SOURCE."""
    if not (given or name is not None or code is not None):
        raise click.UsageError("say what to change: --name, --code, --prop, --every, …")
    with connect() as api:
        before = find_source(api, source)
        body: dict[str, object] = {} if name is None else {"name": name}
        component = None
        if code is not None:
            with placed(code):
                component = component_of(api, code)
            body["component_id"] = component["id"]
        if given:
            component = component or saved_component(api, before["component_id"])
            body["configured_props"] = configured(given, component["configurable_props"])
        changed = api.put(f"sources/{before['id']}", body)
    if as_json:
        printing.show_json(changed)
    else:
        show_placed(changed, is_new=False)


@click.command()
@source_argument()
def pause(source: str) -> None:
    """Stop SOURCE from running. Requests and events that came before wait until it goes on."""
    _switch(source, active=False)


@click.command()
@source_argument()
def resume(source: str) -> None:
    """Let SOURCE run again."""
    _switch(source, active=True)


def _switch(source: str, *, active: bool) -> None:
    with connect() as api:
        api.put(f"sources/{source_id(api, source)}", {"active": active})
    printing.note(f"{source} {'goes on' if active else 'is paused'}")


@click.command()
@source_argument()
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def delete(source: str, yes: bool) -> None:
    """Delete SOURCE with its events, store, address and subscriptions.

    In a terminal it asks first.
    """
    with connect() as api:
        found = find_source(api, source)
        if not yes and sys.stdin.isatty():
            text = f"Delete {found['name']!r} ({found['id']}) with all its events?"
            if not click.confirm(printing.safe(text), err=True):
                raise Failure("nothing is deleted")
        api.delete(f"sources/{found['id']}")
    printing.note(f"deleted {found['name']!r}")


COMMANDS = [run, update, pause, resume, delete]
