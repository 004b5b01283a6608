"""Importing published components into the registry (`manage.py registry`).

Command: operation = importing.start(...); wait for it; watch its parts; importing.report(...)
Worker:  of an `import` the files are found, and `importing.plan(...)` queues the describing of each
         that may be a component; `describing.finish` stores what is one, without an owner.

An imported row's `origin` says where it came from (`npm:pipedream`, `folder:mine`), its
`component_url` which version and file of it (`npm:pipedream@0.2.2/components/…`). Rows never
change: another version is more rows, and the newest of a key is the one that is found by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet

from apps.components import published, services
from apps.components.locations import language_of
from apps.components.models import Component
from apps.core import errors
from apps.core.clock import AppNow
from apps.runs import operations, queue
from apps.runs.models import Operation
from apps.sources.models import Source

# Owner of the operations of imports: their describing takes its own part of the places.
OWNER = "registry"
PARAMETER = "package"


@dataclass(frozen=True, slots=True)
class Part:
    """How one file fared: `loaded`, `unchanged`, `none` (no component), `failed`, or `waiting`."""

    path: str
    outcome: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """One version of one origin in the registry."""

    label: str
    components: int
    sources: int


def start(args: Mapping[str, Any]) -> Operation:
    """Queue an import: of `{"npm": "<name>@<version>"}`, or of `{"origin", "label", "files"}`."""
    return operations.enqueue("import", OWNER, dict(args))


def plan(
    operation_id: int,
    origin: str,
    label: str,
    files: Mapping[str, str],
    imports: Mapping[str, Sequence[str]],
) -> bool:
    """Queue the describing of each file that may be a component, and end the import with the list
    of them (worker side). False: somebody ended it before."""
    parts: dict[str, Any] = {}
    queued: list[Operation] = []
    for path in published.entries(list(files)):
        tree = published.tree(path, files, imports)
        if _is_there(origin, label, path, files[path], tree):
            parts[path] = "unchanged"
            continue
        try:
            args = _arguments(origin, label, path, files[path], tree)
        except errors.ApiError as refused:
            parts[path] = {"failed": refused.message}
        else:
            queued.append(Operation(kind="describe", owner_id=OWNER, args=args))
    with transaction.atomic():
        made = Operation.objects.bulk_create(queued)
        parts |= {one.args["entry"]: one.id for one in made}
        result = {"origin": origin, "label": label, "parts": parts}
        if not operations.finish(operation_id, result):
            transaction.set_rollback(True)
            return False
        transaction.on_commit(lambda: queue.hint_operations([one.id for one in made]))
    return True


def _arguments(
    origin: str, label: str, path: str, code: str, tree: Mapping[str, str]
) -> dict[str, Any]:
    services.check_files(path, tree, path)
    return {
        "code": services.check_code(code, path),
        "language": language_of(path),
        "entry": path,
        "files": dict(tree),
        "component_url": f"{label}/{path}",
        "registry": path,
        "origin": origin,
    }


def _is_there(origin: str, label: str, path: str, code: str, tree: Mapping[str, str]) -> bool:
    """Whether this very file was imported before. It is then the newest of its key again."""
    same = Component.objects.filter(
        owner=None,
        origin=origin,
        component_url=f"{label}/{path}",
        code_hash=services.code_hash(code),
    )
    found = next((row for row in same.order_by("-created_at") if row.files == dict(tree)), None)
    if found is None:
        return False
    Component.objects.filter(id=found.id).update(updated_at=AppNow())
    return True


def report(operation: Operation) -> list[Part]:
    """How every file of a planned import has fared so far, in the order of their names."""
    given: dict[str, Any] = (operation.result or {}).get("parts", {})
    ids = [part for part in given.values() if isinstance(part, int)]
    ended = {one.id: one for one in Operation.objects.filter(id__in=ids).only("state", "result")}
    return [_part(path, part, ended) for path, part in sorted(given.items())]


def waiting(operation: Operation) -> int:
    """How many files of a planned import no worker has ended yet."""
    given: dict[str, Any] = (operation.result or {}).get("parts", {})
    ids = [part for part in given.values() if isinstance(part, int)]
    return Operation.objects.filter(id__in=ids, state__in=["queued", "running"]).count()


def withdraw(operation: Operation) -> None:
    """Take back what no worker has begun of an import."""
    given: dict[str, Any] = (operation.result or {}).get("parts", {})
    ids = [operation.id, *(part for part in given.values() if isinstance(part, int))]
    Operation.objects.filter(id__in=ids, state="queued").update(
        state="cancelled", ended_at=AppNow()
    )


def _part(path: str, part: Any, ended: Mapping[int, Operation]) -> Part:
    if part == "unchanged":
        return Part(path, "unchanged")
    if not isinstance(part, int):
        return Part(path, "failed", str(part["failed"]))
    one = ended.get(part)
    if one is None or one.state == "cancelled":
        return Part(path, "failed", "it was withdrawn")
    if one.state in ("queued", "running"):
        return Part(path, "waiting")
    if one.state == "done":
        return Part(path, "loaded")
    refused = operations.refusal(one)
    message = str(refused.message if refused else "it could not be loaded")
    kind = "none" if refused is not None and refused.code == "no_component" else "failed"
    return Part(path, kind, message.removeprefix("component_code: "))


# --- what is there ----------------------------------------------------------------------------


def imported() -> list[Imported]:
    """Every version of every origin but the built-in one, by name."""
    found: dict[str, list[int]] = {}
    rows = _imported().values_list("id", "component_url", "entry")
    used = set(Source.objects.exclude(state="deleted").values_list("component_id", flat=True))
    for component_id, url, entry in rows:
        counts = found.setdefault(str(url).removesuffix(f"/{entry}"), [0, 0])
        counts[0] += 1
        counts[1] += component_id in used
    return [Imported(label, *counts) for label, counts in sorted(found.items())]


def remove(name: str) -> tuple[int, int]:
    """Remove an origin (`npm:pipedream`) or one version of it (`npm:pipedream@0.2.2`) from the
    registry. Returns how many components went and how many stayed, since sources are or were made
    of them. Raises ApiError 404 when there is nothing of that name."""
    rows = _imported()
    named = rows.filter(origin=name) | rows.filter(component_url__startswith=f"{name}/")
    total = named.count()
    if not total:
        raise errors.not_found()
    named_by_sources = Source.objects.filter(component_id=OuterRef("id"))
    free = named.filter(~Exists(named_by_sources)).exclude(id__in=_in_ledger())
    gone, _ = Component.objects.filter(id__in=list(free.values_list("id", flat=True))).delete()
    return gone, total - gone


def _in_ledger() -> set[str]:
    """Every component that a source was ever made of: its ledger can be rebuilt."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT substring(convert_from(data, 'UTF8')"
            ' FROM \'"component_id":"(sc_[0-9A-Za-z]+)"\') FROM sources_sourcechange'
        )
        return {row[0] for row in cursor.fetchall() if row[0]}


def _imported() -> QuerySet[Component]:
    return Component.objects.filter(owner=None, component_url__isnull=False).exclude(
        origin=services.BUILTIN
    )
