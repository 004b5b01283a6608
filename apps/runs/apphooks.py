"""App hooks: what a service tells the platform as a whole, carried to the sources that ask for it
(component specification 5.3, stage 2; docs/decisions/0051-app-hooks.md).

A source asks by an apphook prop: for the app of its `appProp`, and for `eventNames`, or for every
event where it names none. Names that a function gives are settled when the source is activated; its
child leaves them in the store, under `NAMES_KEY`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from django.db import connection, transaction

from apps.components.description import APP, APPHOOK
from apps.runs import mailbox

# As in workers/runtime/javascript/apphooks.mjs. `{prop: [name, …]}`.
NAMES_KEY = "$apphook"

_ASKING = """
SELECT s.id, s.configured_props, c.props, t.store
FROM sources_source s
JOIN components_component c ON c.id = s.component_id
JOIN component_state t ON t.source_id = s.id
WHERE s.state = 'active' AND position(%s::bytea in c.props) > 0
ORDER BY s.id
"""


def deliver(
    app: str, event_name: str, payload: bytes, request_id: str, account_id: str | None = None
) -> list[str]:
    """Queue a run for each active source, of any owner, that asks for the event. Their ids.

    `payload` is the event as compact JSON. With `account_id`, only for sources whose app prop names
    that account. The same `request_id` twice is one run. Raises ApiError 429 when a mailbox is
    full; nothing is queued then.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_ASKING, [orjson.dumps(APPHOOK)])
            rows = cursor.fetchall()
        found = [
            source_id
            for source_id, *texts in rows
            if _asks(app, event_name, account_id, *(orjson.loads(bytes(text)) for text in texts))
        ]
        for source_id in found:
            mailbox.enqueue(source_id, "manual", f"apphook:{request_id}", payload)
    return found


def _asks(
    app: str,
    event_name: str,
    account_id: str | None,
    configured: Mapping[str, Any],
    props: Sequence[Mapping[str, Any]],
    store: Mapping[str, Any],
) -> bool:
    settled = store.get(NAMES_KEY)
    for prop, app_prop in _hooks_of(props):
        account = configured.get(app_prop["name"]) or {}
        if app_prop["app"] != app:
            continue
        if account_id is not None and account.get("authProvisionId") != account_id:
            continue
        if prop.get("remoteEventNames"):
            names = settled.get(prop["name"]) if isinstance(settled, dict) else None
            if isinstance(names, list) and event_name in names:
                return True
        elif event_name in prop.get("eventNames", [event_name]):
            return True
    return False


def _hooks_of(
    props: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Each apphook prop with its app prop."""
    apps = {prop["name"]: prop for prop in props if prop["type"] == APP}
    for prop in props:
        if prop["type"] == APPHOOK:
            yield prop, apps[prop["appProp"]]
