"""What of a published package or folder are components, and which files each of them needs. Pure.

In a package of the original's shape (`components/<app>/sources/…`) the files below `sources` may
be components; in any other folder every file with code may. Whether one is, shows when it is
loaded: shared parts and data lie among them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from apps.components.locations import candidates, language_of, relative

MANIFEST = "package.json"
_PYTHON_IMPORT = re.compile(r"^\s*(?:from|import)\s+([A-Za-z_]\w*)", re.MULTILINE)
_SOURCE = re.compile(r"components/[^/]+/sources/")
# Declarations of types, app files, tests, and what its author hides.
_NONE = re.compile(r"(?:^|/)(?:[._][^/]*|test|tests|node_modules)(?:/|$)|\.(?:d|app|test)\.\w+$")


def entries(paths: Sequence[str]) -> list[str]:
    """The files that may be components, in the order of their names."""
    code = sorted(path for path in paths if language_of(path) and not path.endswith(".d.ts"))
    return [path for path in code if _SOURCE.match(path)] or [
        path for path in code if not _NONE.search(path)
    ]


def tree(
    entry: str, files: Mapping[str, str], imports: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """The files beside the entry that it needs: what it imports by relative paths, what that
    imports, and the nearest package.json. `imports`: path → specifiers.

    An import that is not there is left out; loading tells of it.
    """
    found: dict[str, str] = {}
    waiting = [entry]
    while waiting:
        importer = waiting.pop()
        if language_of(importer) == "python":
            paths = _beside(importer, files)
        else:
            names = (name for name in imports.get(importer, ()) if relative(name))
            paths = [_first(importer, name, files) for name in names]
        for path in paths:
            if path is not None and path != entry and path not in found:
                found[path] = files[path]
                waiting.append(path)
    folders = entry.split("/")[:-1]
    for count in range(len(folders), -1, -1):
        path = "/".join([*folders[:count], MANIFEST])
        if path in files:
            found[path] = files[path]
            break
    return found


def _beside(importer: str, files: Mapping[str, str]) -> list[str | None]:
    """Modules in the folder of a Python file that it may import by their plain names."""
    folder, slash, _ = importer.rpartition("/")
    names = dict.fromkeys(_PYTHON_IMPORT.findall(files[importer]))
    found = (f"{folder}{slash}{name}.py" for name in names)
    return [path for path in found if path in files]


def _first(importer: str, name: str, files: Mapping[str, str]) -> str | None:
    try:
        return next((path for path in candidates(importer, name) if path in files), None)
    except ValueError:
        return None
