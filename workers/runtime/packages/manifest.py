"""From requirements to the text that a package manager reads. Pure.

A manifest says the same for the same requirements, however they were written down: it is part of
the name of an installed set.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from workers.runtime.packages.imports import MAX_PACKAGES, Package
from workers.runtime.packages.refusal import BAD_IMPORT, Refused

_RANGE: Final = re.compile(r"[\w.^~<>=|*+\- ]{1,100}\Z", re.ASCII)
ALIAS: Final = "hw-"
# A tag: any range would also be content with an older version that another import asks for.
NEWEST: Final = "latest"


def declared_versions(package_json: str | None) -> dict[str, Any]:
    """The `dependencies` of a package.json beside the code; one that cannot be read has none."""
    try:
        read = json.loads(package_json or "{}")
    except (ValueError, RecursionError):
        return {}
    found = read.get("dependencies") if isinstance(read, dict) else None
    return found if isinstance(found, dict) else {}


def npm_manifest(packages: Iterable[Package], declared: Mapping[str, Any]) -> str:
    """A package.json: one dependency for each package and version.

    The version is the import's own, else the declared one, else the newest. What is imported
    under a version of its own gets an alias (`versioned` tells what the code wrote).
    Raises Refused for a declared version that is no version: git, file and http addresses.
    """
    dependencies: dict[str, str] = {}
    own: set[str] = set()
    for package in sorted(set(packages)):
        if package.version:
            own.add(f"npm:{package.name}@{package.version}")
        else:
            dependencies[package.name] = _declared(package.name, declared)
    dependencies |= {f"{ALIAS}{n}": target for n, target in enumerate(sorted(own), start=1)}
    given = {
        "name": "packages",
        "private": True,
        "dependencies": dict(sorted(dependencies.items())),
    }
    return json.dumps(given, indent=1) + "\n"


def _declared(name: str, declared: Mapping[str, Any]) -> str:
    version = declared.get(name, NEWEST)
    if version in ("", "*"):
        return NEWEST
    if not isinstance(version, str) or not _RANGE.match(version):
        raise Refused(
            BAD_IMPORT,
            f"package.json: {name}: {str(version)[:200]!r} is not a version of a package",
        )
    return version


def versioned(manifest: str) -> dict[str, str]:
    """What code writes with a version in it → the alias that it is installed under."""
    dependencies: dict[str, str] = json.loads(manifest)["dependencies"]
    return {
        target.removeprefix("npm:"): alias
        for alias, target in dependencies.items()
        if alias.startswith(ALIAS) and target.startswith("npm:")
    }


def _requirement(text: str) -> Requirement:
    """pip takes more characters for the end of a line than the newline, also inside quotes."""
    if not text.isprintable():
        raise InvalidRequirement("control characters")
    return Requirement(text)


def pip_manifest(requires: Iterable[str]) -> str:
    """A requirements file. Raises Refused for what is no requirement of a named package."""
    found: set[str] = set()
    for text in requires:
        try:
            requirement = _requirement(text)
        except (InvalidRequirement, RecursionError):
            raise Refused(BAD_IMPORT, f"requires: {text[:200]!r} is not a requirement") from None
        if requirement.url is not None:
            raise Refused(BAD_IMPORT, f"requires: {text[:200]!r}: addresses are not installed")
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        marker = f"; {requirement.marker}" if requirement.marker else ""
        name = canonicalize_name(requirement.name)
        found.add(f"{name}{extras}{requirement.specifier}{marker}")
    if len(found) > MAX_PACKAGES:
        raise Refused(BAD_IMPORT, f"a component requires at most {MAX_PACKAGES} packages")
    return "".join(f"{line}\n" for line in sorted(found))
