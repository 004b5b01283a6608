"""`deploy`: a file, a URL or a component of the registry becomes a source."""

from __future__ import annotations

import click

from headwater_cli import printing
from headwater_cli.api import Resource
from headwater_cli.commands.options import complete_source, connect, output, props
from headwater_cli.deploying import Target, name_for, place
from headwater_cli.places import placed
from headwater_cli.props import Given
from headwater_cli.sources import component_of


@click.command()
@click.argument("what")
@click.option("--name", help="Of the source; else the component's own name.")
@click.option("--source", shell_complete=complete_source, help="The source to update: id or slug.")
@click.option("--new", is_flag=True, help="Make another source, whatever its name.")
@props
@output
def deploy(
    what: str, name: str | None, source: str | None, new: bool, given: Given, as_json: bool
) -> None:
    """Deploy WHAT as a source.

    WHAT is a file of Python, JavaScript or TypeScript, a URL of one, the key of a component in the
    registry, or the id of a saved component. A source of the same name is updated: it keeps its id,
    address, store and events, and every prop that is not given.
    """
    if new and source is not None:
        raise click.UsageError("--new and --source exclude each other")
    with connect() as api:
        with placed(what):
            component = component_of(api, what)
        if name is None and source is None:
            name = name_for(component, what)
        made, is_new = place(api, component, Target(name, source, new), given)
    if as_json:
        printing.show_json(made)
    else:
        show_placed(made, is_new)


def show_placed(source: Resource, is_new: bool) -> None:
    done = "deployed" if is_new else "updated"
    printing.note(f"{done} {source['name']!r}")
    printing.show_facts(
        [
            ("id", source["id"]),
            ("slug", source["name_slug"]),
            ("component", source["component_id"]),
            ("active", source["active"]),
            *endpoints(source),
        ]
    )


def endpoints(source: Resource) -> list[tuple[str, str]]:
    """The address of each HTTP prop."""
    return [
        (name, value["endpoint_url"])
        for name, value in source["configured_props"].items()
        if isinstance(value, dict) and isinstance(value.get("endpoint_url"), str)
    ]


COMMANDS = [deploy]
