"""From a leased source to what its child needs: code, props, dedupe strategy."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from psycopg import AsyncConnection

from apps.components.models import Component
from apps.runs.contract import Code
from apps.runs.lease import Held
from apps.sources.resolving import Resolved, resolved

_COMPONENTS = """
SELECT id, language, code, dedupe, props, name, entry, files, packages_id
FROM components_component WHERE id = ANY(%(ids)s)
"""
# Components are immutable, and a source's version rises with every change of its props: what is
# kept cannot grow stale.
KEPT = 500
PREPARED_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Prepared:
    code: Code
    dedupe: str | None
    resolved: Resolved
    # The caller of an HTTP run waits for `respond` (component specification 5.2).
    responds: bool = False


@dataclass(frozen=True, slots=True)
class _Deployed:
    configured_props: dict[str, Any]
    secret_props: dict[str, Any]
    endpoint_key: str | None


class Components:
    """The components used of late, and the props of sources resolved of late; least recently used
    out first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Component] = OrderedDict()
        self._prepared: OrderedDict[tuple[str, int], Prepared] = OrderedDict()

    async def load(self, connection: AsyncConnection[Any], ids: Iterable[str]) -> None:
        missing = sorted({i for i in ids if i not in self._kept})
        if not missing:
            return
        cursor = await connection.execute(_COMPONENTS, {"ids": missing})
        for row in await cursor.fetchall():
            component_id, language, code, dedupe, described, name, entry, files, packages = row
            self._kept[component_id] = Component(
                id=component_id,
                language=language,
                code=code,
                dedupe=dedupe,
                props=orjson.loads(bytes(described)),
                name=name,
                entry=entry,
                files=orjson.loads(bytes(files)),
                packages_id=packages,
            )
        while len(self._kept) > max(KEPT, len(missing)):
            self._kept.popitem(last=False)

    def prepare(self, held: Held) -> Prepared:
        """Raises KeyError when the component was not loaded, and what `resolved` raises."""
        name = (held.source_id, held.version)
        if (prepared := self._prepared.get(name)) is None:
            prepared = self._prepared[name] = self._resolve(held)
            if len(self._prepared) > PREPARED_KEPT:
                self._prepared.popitem(last=False)
        return prepared

    def without_props(self, held: Held) -> Prepared:
        """For a source whose props cannot be read: enough to say so on its channels."""
        component = self._kept[held.component_id]
        code = Code(held.owner_id, component.id, "python", "")
        return Prepared(code, component.dedupe, Resolved(b"{}"))

    def _resolve(self, held: Held) -> Prepared:
        component = self._kept[held.component_id]
        self._kept.move_to_end(held.component_id)
        source = _Deployed(
            orjson.loads(held.configured_props),
            orjson.loads(held.secret_props),
            held.endpoint_key,
        )
        code = component.loadable(held.owner_id)
        responds = any(prop.get("customResponse") for prop in component.props)
        return Prepared(code, component.dedupe, resolved(source, component), responds)
