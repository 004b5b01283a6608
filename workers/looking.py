"""What JavaScript files import, asked of Deno behind the wall: it parses them, and runs nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from apps.components.locations import language_of
from workers.runtime.packages.npm import LOOK
from workers.runtime.pool import Runtime
from workers.runtime.tool import Job, TooMuch, Workbench

SECONDS: Final = 15.0
# Of the directory in which Deno looks at the files.
BYTES: Final = 256 * 1024 * 1024
# Imports all files that are asked for; no path of a component begins so by accident.
_ROOT: Final = ".look.mjs"


class Looked(Exception):
    """The files could not be looked at; the text says why."""


async def imports(runtime: Runtime, files: Mapping[str, str]) -> dict[str, list[str]]:
    """Path → specifiers as written, `import` and `require`, of each file that is JavaScript.

    A file that does not parse imports nothing: loading it says what is wrong. TypeScript is also
    found under the ending `.js`, as loading does. Raises Looked, BrokerError.
    """
    asked = {path: text for path, text in files.items() if language_of(path) == "javascript"}
    if not asked:
        return {}
    async with runtime.workbench() as bench:
        found, broken = await _look(bench, {path: path for path in asked}, asked)
        if broken:
            # Under a name that is in nobody's way, since the first one still lies there.
            typed = {f"{path}.look.ts": path for path in broken if path.endswith("js")}
            more, _ = await _look(bench, typed, asked)
            found |= more
    return found


async def _look(
    bench: Workbench, names: Mapping[str, str], files: Mapping[str, str]
) -> tuple[dict[str, list[str]], list[str]]:
    """The imports of the files, and those that did not parse; `names`: where each is laid out."""
    for name, path in names.items():
        bench.write(name, files[path])
    bench.write(_ROOT, "".join(f"import {json.dumps(f'./{name}')};\n" for name in names))
    job = Job("javascript", [*LOOK, f"./{_ROOT}"], {"NO_COLOR": "1"})
    try:
        ended = await bench.run(job, SECONDS, BYTES)
        graph = json.loads(ended.output)
    except TooMuch as much:
        raise Looked(str(much)) from None
    except ValueError:
        raise Looked("Deno could not read the files") from None
    found: dict[str, list[str]] = {}
    broken: list[str] = []
    prefix = f"file://{bench.code}/"
    for module in _dicts(graph, "modules"):
        name = unquote(str(module.get("specifier", ""))).removeprefix(prefix)
        if name not in names:
            continue
        if module.get("error"):
            broken.append(names[name])
            continue
        # What is imported for its types alone has no `code`.
        found[names[name]] = [
            str(one["specifier"]) for one in _dicts(module, "dependencies") if "code" in one
        ]
    return found, broken


def _dicts(value: Any, name: str) -> Iterator[dict[str, Any]]:
    items = value.get(name) if isinstance(value, dict) else None
    return (item for item in items or [] if isinstance(item, dict))
