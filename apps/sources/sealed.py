"""Where this application keeps encrypted values (`apps.core.rotation`)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.db import transaction

from apps.core.rotation import Store, Turn, values
from apps.sources.models import Source, SourceChange


def _batch(after: str | None, size: int, turn: Turn) -> str | None:
    """Secret props of sources, in their rows and in every entry of their ledgers: one token becomes
    one, so that row and ledger go on agreeing and earlier versions can still be read."""
    with transaction.atomic():
        sources = list(
            Source.objects.select_for_update(no_key=True)
            .filter(id__gt=after or "")
            .order_by("id")
            .only("id", "secret_props")[:size]
        )
        entries: dict[str, list[SourceChange]] = defaultdict(list)
        for entry in SourceChange.objects.filter(source_id__in=[s.id for s in sources]):
            if entry.data.get("secret_props"):
                entries[entry.source_id].append(entry)
        for source in sources:
            _turn(source, entries[source.id], turn)
    return sources[-1].id if sources else None


def _turn(source: Source, entries: list[SourceChange], turn: Turn) -> None:
    same = turn.same()
    props: dict[str, Any] = values(source.secret_props, same)
    if props != source.secret_props:
        Source.objects.filter(id=source.id).update(secret_props=props)
    for entry in entries:
        data = {**entry.data, "secret_props": values(entry.data["secret_props"], same)}
        if data != entry.data:
            SourceChange.objects.filter(id=entry.id).update(data=data)


STORES = [Store("sources", _batch)]
