"""What code imports, from what `deno info --json` and Python's own parser say of it. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from workers.runtime.packages.refusal import BAD_IMPORT, Refused

# Of npm: names as the registry takes them, those of old packages with capitals among them.
_NAME: Final = re.compile(r"(?:@[A-Za-z0-9~-][\w.~-]*/)?[A-Za-z0-9~_-][\w.~-]*\Z", re.ASCII)
_VERSION: Final = re.compile(r"(?! )[\w.^~<>=|*+\- ]{1,100}\Z", re.ASCII)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_MAX_NAME: Final = 214
_AT_HAND: Final = ("node:", "data:", "blob:")
MAX_PACKAGES: Final = 50


@dataclass(frozen=True, order=True, slots=True)
class Package:
    """An npm package as code names it. `version` is a range or tag, "" when the code says none;
    `written` is the text before a subpath: `axios`, `axios@0.21.1`, `npm:axios@1.2`."""

    name: str
    version: str
    written: str


def split(specifier: str) -> Package:
    """The package of a bare or `npm:` specifier. Raises Refused for any other."""
    text = specifier.removeprefix("npm:").removeprefix("/")
    parts = text.split("/")
    count = 2 if text.startswith("@") else 1
    head = "/".join(parts[:count])
    name, at, version = head.rpartition("@") if "@" in head[1:] else (head, "", "")
    fits = len(name) <= _MAX_NAME and _NAME.match(name) and (not at or _VERSION.match(version))
    if not fits or _SCHEME.match(text):
        raise Refused(
            BAD_IMPORT,
            f'cannot import "{specifier[:200]}": only npm packages, modules of Node'
            " and files of the component can be imported",
        )
    prefix = "npm:" if specifier.startswith("npm:") else ""
    return Package(name, version, prefix + head)


def is_relative(specifier: str) -> bool:
    return specifier.startswith(("./", "../", "/")) or specifier in (".", "..")


def packages_of(graph: Any) -> list[Package]:
    """Those that any module of the graph imports, in order, each once.

    `graph` is the parsed answer of `deno info --json`. An answer of another shape has no packages.
    Raises Refused.
    """
    found: dict[Package, None] = {}
    for specifier, resolved in _specifiers(graph):
        if is_relative(specifier) or resolved.startswith(_AT_HAND):
            continue
        found[split(specifier)] = None
    if len(found) > MAX_PACKAGES:
        raise Refused(BAD_IMPORT, f"a component imports at most {MAX_PACKAGES} packages")
    return list(found)


def broken_files(graph: Any) -> list[str]:
    """Addresses of modules that the graph could not parse or find."""
    modules = graph.get("modules", []) if isinstance(graph, dict) else []
    return [m["specifier"] for m in modules if isinstance(m, dict) and m.get("error")]


def _specifiers(graph: Any) -> Iterator[tuple[str, str]]:
    """Each import as written, and what it leads to, "" where that is nothing."""
    modules = graph.get("modules", []) if isinstance(graph, dict) else []
    for module in modules:
        dependencies = module.get("dependencies", []) if isinstance(module, dict) else []
        for dependency in dependencies:
            # Those for types alone have no `code`.
            code = dependency.get("code") if isinstance(dependency, dict) else None
            if isinstance(code, dict) and isinstance(dependency.get("specifier"), str):
                yield dependency["specifier"], str(code.get("specifier") or "")


def requires_of(text: str) -> list[str]:
    """The `requires` of the classes of a Python component: a list or tuple of literal texts.

    Nothing is executed. Text that does not parse has none: loading it says what is wrong. Raises
    Refused for a `requires` that is no such literal.
    """
    try:
        module = ast.parse(text.removeprefix("\ufeff"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found: dict[str, None] = {}
    for statement in module.body:
        if isinstance(statement, ast.ClassDef):
            for value in _assigned(statement, "requires"):
                found.update(dict.fromkeys(_texts(value)))
    return list(found)


def _assigned(body: ast.ClassDef, name: str) -> Iterator[ast.expr]:
    for statement in body.body:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value = [statement.target], statement.value
        else:
            continue
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            yield value


def _texts(value: ast.expr) -> list[str]:
    try:
        listed = ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        listed = None
    if not isinstance(listed, list | tuple) or not all(isinstance(item, str) for item in listed):
        raise Refused(BAD_IMPORT, "requires must be a list of literal texts")
    return [str(item) for item in listed]
