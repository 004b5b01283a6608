"""Finding a source by what a person calls it, and a component by what is to be deployed."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from headwater_cli.api import Api, Resource, segment
from headwater_cli.failures import Failure, Refused
from headwater_cli.imports import tree

MINE = "users/me/sources"
_URL = re.compile(r"https?://", re.IGNORECASE)
_SOURCE, _COMPONENT = (re.compile(rf"{prefix}_[0-9A-Za-z]+") for prefix in ("dc", "sc"))
LANGUAGES = {
    ".py": "python",
    **dict.fromkeys((".js", ".mjs", ".cjs", ".ts", ".mts", ".cts"), "javascript"),
}


class NotFound(Failure):
    pass


def find_source(api: Api, named: str) -> Resource:
    """By id, or by name slug: slugs have no underscore, so the two cannot be mixed up."""
    source: Resource
    if _SOURCE.fullmatch(named):
        try:
            source = api.get(f"sources/{named}")
        except Refused as refused:
            if refused.status != 404:
                raise
            raise NotFound(f"no source has the id {named}") from None
        return source
    for listed in api.walk(MINE):
        if listed["name_slug"] == named:
            return listed
    raise NotFound(f"no source has the id or name slug {named!r}")


def source_id(api: Api, named: str) -> str:
    """Without a request where an id is given."""
    return named if _SOURCE.fullmatch(named) else str(find_source(api, named)["id"])


def named_sources(api: Api, name: str) -> list[Resource]:
    return [source for source in api.walk(MINE) if source["name"] == name]


def is_file(what: str) -> bool:
    """A URL is none, whatever it ends in; a registry's key has no ending."""
    return not _URL.match(what) and (Path(what).suffix in LANGUAGES or Path(what).is_file())


def is_component_id(what: str) -> bool:
    return _COMPONENT.fullmatch(what) is not None


def component_of(api: Api, what: str) -> Resource:
    """The component that a file, a URL, an id or a key of the registry means; of the first two a
    new one."""
    found: Resource
    if _URL.match(what):
        found = api.post("components", {"component_url": what})
    elif is_file(what):
        found = api.post("components", code_of(Path(what)))
    else:
        found = saved_component(api, what)
    return found


def saved_component(api: Api, what: str) -> Resource:
    """By its id, or by its key in the registry."""
    place = "components" if is_component_id(what) else "components/registry"
    found: Resource
    try:
        found = api.get(f"{place}/{segment(what)}")
    except Refused as refused:
        if refused.status != 404:
            raise
        raise NotFound(
            f"{what!r} is no file, and no key of a component in the registry"
            if place != "components"
            else f"no component has the id {what}"
        ) from None
    return found


def code_of(path: Path) -> dict[str, Any]:
    """The parameters that carry a file's code, and what it imports by relative paths. Raises
    Failure: unreadable, or no component's."""
    language = LANGUAGES.get(path.suffix)
    if language is None:
        raise Failure(f"{path}: a component's file ends in {', '.join(LANGUAGES)}")
    code = _text(path)
    beside = [one for one in tree(path)[1:] if one.is_file()]
    if not beside:
        return {"component_code": code, "language": language}
    whole = path.resolve()
    top = Path(os.path.commonpath([one.parent for one in (whole, *beside)]))
    return {
        "component_code": code,
        "language": language,
        "component_entry": whole.relative_to(top).as_posix(),
        "component_files": {one.relative_to(top).as_posix(): _text(one) for one in beside},
    }


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Failure(f"{path} is not UTF-8") from None
