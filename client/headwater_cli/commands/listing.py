"""`list`, `describe`: what there is."""

from __future__ import annotations

from itertools import islice
from typing import Any

import click

from headwater_cli import printing
from headwater_cli.api import Api, Resource
from headwater_cli.commands.deploy import endpoints
from headwater_cli.commands.options import complete_source, connect, output
from headwater_cli.sources import NotFound, find_source, is_component_id, saved_component


@click.command("list")
@click.argument("kind", type=click.Choice(["sources", "components"]), default="sources")
@click.option(
    "-n", "--limit", type=click.IntRange(min=0), default=100, show_default=True,
    help="The newest so many; 0: all.",
)  # fmt: skip
@output
def list_(kind: str, limit: int, as_json: bool) -> None:
    """List your sources, or the components you have saved; newest first."""
    with connect() as api:
        found = _newest(api, f"users/me/{kind}", limit)
    if as_json:
        printing.show_json(found)
    elif kind == "sources":
        printing.show_table(
            ("ID", "SLUG", "NAME", "ACTIVE", "COMPONENT", "UPDATED"),
            (
                (
                    one["id"],
                    one["name_slug"],
                    one["name"],
                    one["active"],
                    one["component_id"],
                    printing.when(one["updated_at"]),
                )
                for one in found
            ),
        )
    else:
        printing.show_table(
            ("ID", "NAME", "VERSION", "LANGUAGE", "CREATED"),
            (
                (
                    one["id"],
                    one["name"],
                    one["version"],
                    one["language"],
                    printing.when(one["created_at"]),
                )
                for one in found
            ),
        )


def _newest(api: Api, path: str, limit: int) -> list[Resource]:
    if 0 < limit <= 100:
        found, total = api.page(path, limit=limit)
    else:
        found = list(islice(api.walk(path), limit or None))
        total = len(found) if not limit else api.page(path, limit=1)[1]
    if total > len(found):
        printing.note(f"the newest {len(found)} of {total}; -n 0 shows all")
    return found


@click.command()
@click.argument("what", shell_complete=complete_source)
@output
def describe(what: str, as_json: bool) -> None:
    """Show a source (by id or slug), or a component (by id, or by its key in the registry)."""
    with connect() as api:
        source = None if is_component_id(what) else _source(api, what)
        if source is None:
            _show_component(_component(api, what), as_json)
        else:
            component = saved_component(api, source["component_id"])
            runs, _ = api.page(f"sources/{source['id']}/runs", limit=5)
            _show_source(source, component, runs, as_json)


def _source(api: Api, what: str) -> Resource | None:
    try:
        return find_source(api, what)
    except NotFound:
        if what.startswith("dc_"):
            raise
        return None


def _component(api: Api, what: str) -> Resource:
    try:
        return saved_component(api, what)
    except NotFound:
        if is_component_id(what):
            raise
        raise NotFound(f"{what!r} is no source's id or slug, and no component's key") from None


def _show_source(
    source: Resource, component: Resource, runs: list[Resource], as_json: bool
) -> None:
    if as_json:
        about = {name: component[name] for name in ("id", "key", "name", "version", "language")}
        printing.show_json(source | {"component": about, "runs": runs})
        return
    version = f" {component['version']}" if component["version"] else ""
    printing.show_facts(
        [
            ("id", source["id"]),
            ("name", source["name"]),
            ("slug", source["name_slug"]),
            ("active", source["active"]),
            ("component", f"{component['id']} {component['name'] or ''}{version}"),
            ("language", component["language"]),
            ("created", printing.when(source["created_at"])),
            ("updated", printing.when(source["updated_at"])),
            *endpoints(source),
            *((f"prop {name}", _shown(value)) for name, value in _plain_props(source).items()),
        ]
    )
    if runs:
        printing.show()
        show_runs(runs)


def _plain_props(source: Resource) -> dict[str, Any]:
    addresses = dict(endpoints(source))
    return {n: value for n, value in source["configured_props"].items() if n not in addresses}


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else printing.compact(value)


def show_runs(runs: list[Resource]) -> None:
    printing.show_table(
        ("RUN", "CAUSE", "STATE", "QUEUED", "MS", "EMITTED", "ERROR"),
        (
            (
                run["id"],
                run["cause"],
                run["state"],
                printing.when(run["queued_at_ms"] / 1000),
                run["duration_ms"],
                run["emitted"],
                (run["error"] or {}).get("message"),
            )
            for run in runs
        ),
    )


def _show_component(component: Resource, as_json: bool) -> None:
    if as_json:
        printing.show_json(component)
        return
    names = ("id", "key", "name", "version", "language", "description", "component_url")
    printing.show_facts((name, component[name] or None) for name in names)
    printing.show()
    printing.show_table(
        ("PROP", "TYPE", "NEEDED", "LABEL", "DEFAULT"),
        (
            (
                prop["name"],
                prop["type"],
                _needed(prop),
                prop.get("label"),
                prop.get("default"),
            )
            for prop in component["configurable_props"]
        ),
    )


def _needed(prop: Resource) -> bool:
    """Whether somebody has to set it: interfaces and the store come by themselves."""
    given = not prop["type"].startswith(("$.interface.", "$.service."))
    return given and not prop.get("optional") and "default" not in prop


COMMANDS = [list_, describe]
