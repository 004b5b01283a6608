"""To deploy: a new source, or the one of the same name with new code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from headwater_cli.api import Api, Resource
from headwater_cli.failures import Failure
from headwater_cli.props import Given, configured
from headwater_cli.sources import find_source, named_sources


@dataclass(frozen=True, slots=True)
class Target:
    """Where to: the source that `source` names (id or slug), else the one called `name`, else, and
    with `new` in any case, a new one."""

    name: str | None = None
    source: str | None = None
    new: bool = False


def name_for(component: Resource, what: str) -> str:
    """What a source is called when nobody says: as its component, or as the file."""
    return str(component["name"] or Path(urlsplit(what).path).stem or what)


def existing(api: Api, target: Target) -> Resource | None:
    if target.source is not None:
        return find_source(api, target.source)
    if target.new or target.name is None:
        return None
    found = named_sources(api, target.name)
    if len(found) > 1:
        slugs = ", ".join(sorted(source["name_slug"] for source in found))
        raise Failure(
            f"{len(found)} sources are called {target.name!r} ({slugs}): say --source or --new"
        )
    return found[0] if found else None


def place(api: Api, component: Resource, target: Target, given: Given) -> tuple[Resource, bool]:
    """Make or update the source. Props that are not given stay as they are; True: it is new."""
    before = existing(api, target)
    body: Resource = {"component_id": component["id"]}
    if given:
        body["configured_props"] = configured(given, component["configurable_props"])
    source: Resource
    if before is None:
        source = api.post("sources", body | {"name": target.name})
        return source, True
    if target.source is not None and target.name is not None:
        body["name"] = target.name
    source = api.put(f"sources/{before['id']}", body)
    return source, False
