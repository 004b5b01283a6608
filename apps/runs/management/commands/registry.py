"""`manage.py registry`: import published components, list and remove what was imported.

    registry import npm:pipedream@0.2.2      from the npm registry that this machine's settings name
    registry import ./components             from a folder
    registry list
    registry remove npm:pipedream[@0.2.2]    or folder:components

An import needs a running worker, which fetches and loads. Exit code: 0 all that are components were
loaded, 1 some failed, 2 none was loaded.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from apps.core.errors import ApiError
from apps.runs import importing, operations
from apps.runs.importing import Part
from apps.runs.models import Operation

NPM = "npm:"
FOLDER = "folder:"
# Of a folder: what is no code of components, and the bounds of what is handed over.
SKIPPED = ("node_modules", ".git", "__pycache__")
FILES = 20_000
FILE_BYTES = 1024 * 1024
FOLDER_BYTES = 64 * 1024 * 1024
LOOK_SECONDS = 0.2
# Until a worker begins with an import.
PATIENCE_SECONDS = 30.0
SOME_FAILED, NONE_LOADED = 1, 2


class Command(BaseCommand):
    help = "Import published components into the registry; list and remove what was imported."

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        told = commands.add_parser("import", help="from npm:<name>@<version> or a folder")
        told.add_argument("place")
        commands.add_parser("list", help="what was imported")
        removed = commands.add_parser("remove", help="npm:<name>[@<version>] or folder:<name>")
        removed.add_argument("name")

    def handle(self, *_args: Any, command: str, **options: Any) -> None:
        if command == "import":
            self._import(options["place"])
        elif command == "remove":
            self._remove(options["name"])
        else:
            self._list()

    # --- import -----------------------------------------------------------------------------------

    def _import(self, place: str) -> None:
        args = {"npm": place.removeprefix(NPM)} if place.startswith(NPM) else _folder(place)
        operation = importing.start(args)
        try:
            self._watch(operation, place)
        except KeyboardInterrupt:
            operation.refresh_from_db()
            importing.withdraw(operation)
            raise CommandError("stopped; what had been loaded stays") from None
        self._report(importing.report(operation))

    def _watch(self, operation: Operation, place: str) -> None:
        """Until every file has been seen to."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while operation.state in ("queued", "running"):
            if operation.state == "queued" and time.monotonic() > deadline:
                importing.withdraw(operation)
                raise CommandError("no worker took it: does the platform run?", returncode=2)
            time.sleep(LOOK_SECONDS)
            operation.refresh_from_db()
        if (refused := operations.refusal(operation)) is not None:
            raise CommandError(f"{place}: {refused.message}", returncode=NONE_LOADED)
        total = len((operation.result or {}).get("parts", {}))
        with tqdm(total=total, unit="file", desc=place, disable=None) as bar:
            _until_done(operation, lambda left: bar.update(total - left - bar.n))

    def _report(self, parts: list[Part]) -> None:
        count = Counter(part.outcome for part in parts)
        for part in parts:
            if part.outcome in ("failed", "none"):
                why = "failed" if part.outcome == "failed" else "no component"
                self.stdout.write(f"{part.path}: {why}: {part.message}")
        there = count["loaded"] + count["unchanged"]
        self.stdout.write(
            f"{len(parts)} files: {count['loaded']} loaded, {count['unchanged']} unchanged,"
            f" {count['failed']} failed, {count['none']} no components"
        )
        if not there:
            raise SystemExit(NONE_LOADED)
        if count["failed"]:
            raise SystemExit(SOME_FAILED)

    # --- list and remove --------------------------------------------------------------------------

    def _list(self) -> None:
        for one in importing.imported():
            self.stdout.write(
                f"{one.label}: {one.components} components, {one.sources} of them used by sources"
            )

    def _remove(self, name: str) -> None:
        try:
            gone, stayed = importing.remove(name)
        except ApiError:
            raise CommandError(f"nothing was imported from {name}") from None
        self.stdout.write(f"{gone} components removed")
        if stayed:
            self.stdout.write(f"{stayed} stay: sources are or were made of them")


def _until_done(operation: Operation, tell: Callable[[int], object]) -> None:
    while left := importing.waiting(operation):
        tell(left)
        time.sleep(LOOK_SECONDS)
    tell(0)


def _folder(place: str) -> dict[str, Any]:
    """What is imported of a folder. Raises CommandError."""
    top = Path(place).resolve()
    if not top.is_dir():
        raise CommandError(f"{place}: no such folder, and not npm:<name>@<version>", returncode=2)
    files: dict[str, str] = {}
    total = 0
    for path in sorted(top.rglob("*")):
        inside = path.relative_to(top)
        if set(SKIPPED) & set(inside.parts) or path.is_symlink() or not path.is_file():
            continue
        size = path.stat().st_size
        if size > FILE_BYTES or (text := _text(path)) is None:
            continue
        total += size
        if total > FOLDER_BYTES or len(files) >= FILES:
            raise CommandError(f"{place} holds more than a package of components", returncode=2)
        files[inside.as_posix()] = text
    origin = f"{FOLDER}{top.name}"
    return {"origin": origin, "label": origin, "files": files}


def _text(path: Path) -> str | None:
    """None for what is no text."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
    return None if "\0" in text else text
