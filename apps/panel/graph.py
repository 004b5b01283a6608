"""Who listens to whom, as far as one page shows it: a bounded number of parties and of ties.

A party is a source, a webhook, or a rule: a glob (`dc_*`) that stands for every source of an owner.
A tie leads from what emits to what listens; its channels are those of all subscriptions between
the two. Each statement reads along an index, and no further than its bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from apps.core import admin_lists
from apps.subscriptions.matching import EVERY_SOURCE, EVERY_WORKFLOW

PARTIES = 100
TIES = 160
# Subscriptions that one statement gives: several may be between the same two.
ROWS = 400
GLOBS = (EVERY_SOURCE, EVERY_WORKFLOW)
DEPTHS = (1, 2, 3, 4)

_COLUMNS = "emitter_id, listener_id, event_name, owner_id"
# Along subscription_once.
_EMITTED = f"""
SELECT {_COLUMNS} FROM subscriptions_subscription
WHERE emitter_id = ANY(%(ids)s) AND deleted_at IS NULL
ORDER BY emitter_id, event_name, owner_id, listener_id LIMIT %(rows)s
"""  # noqa: S608 - constants of this file
_OF_RULES = f"""
SELECT {_COLUMNS} FROM subscriptions_subscription
WHERE emitter_id = ANY(%(globs)s) AND owner_id = %(owner)s AND deleted_at IS NULL
ORDER BY emitter_id, event_name, owner_id, listener_id LIMIT %(rows)s
"""  # noqa: S608 - constants of this file
# Along subscription_listener, which has those that are deleted too.
_HEARD = f"""
SELECT {_COLUMNS} FROM (
  SELECT {_COLUMNS}, deleted_at FROM subscriptions_subscription
  WHERE listener_id = ANY(%(ids)s) ORDER BY listener_id LIMIT %(most)s) AS all_of_them
WHERE deleted_at IS NULL
ORDER BY listener_id, emitter_id, event_name, owner_id LIMIT %(rows)s
"""  # noqa: S608 - constants of this file
# Along subscription_newest or subscription_listing. First what is between two who have many.
_CONNECTED = """
WITH newest AS MATERIALIZED (
  SELECT emitter_id, listener_id, event_name, owner_id,
    CASE WHEN emitter_id = ANY(%(globs)s) THEN emitter_id || ' ' || owner_id ELSE emitter_id END
      AS emitter
  FROM (SELECT * FROM subscriptions_subscription {where}
        ORDER BY created_at DESC, id DESC LIMIT %(most)s) AS looked_at
  WHERE deleted_at IS NULL),
degree AS (
  SELECT party, count(*) AS ties FROM (
    SELECT emitter AS party FROM newest UNION ALL SELECT listener_id FROM newest) AS ends
  GROUP BY party)
SELECT n.emitter_id, n.listener_id, n.event_name, n.owner_id
FROM newest n JOIN degree e ON e.party = n.emitter JOIN degree l ON l.party = n.listener_id
ORDER BY least(e.ties, l.ties) DESC, greatest(e.ties, l.ties) DESC, n.emitter, n.listener_id,
  n.event_name LIMIT %(rows)s
"""
_SOURCES = "SELECT id, name, state FROM sources_source WHERE id = ANY(%(ids)s)"
_WEBHOOKS = """
SELECT id, coalesce(nullif(name, ''), url), active, deleted_at IS NOT NULL
FROM subscriptions_webhook WHERE id = ANY(%(ids)s)
"""
_OWNERS = "SELECT id, username FROM accounts_user WHERE id = ANY(%(ids)s)"


@dataclass(slots=True)
class Party:
    """`kind`: `source`, `webhook`, `rule`; of a rule `owner` is whose sources it stands for.
    `name` and `state` are empty where nothing is known, or nothing may be."""

    id: str
    kind: str
    name: str = ""
    state: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Tie:
    """By keys of parties. `channels`: as in a subscription, `""` is the default one. None: the
    emitter is one of those that the rule stands for."""

    emitter: str
    listener: str
    channels: list[str] = field(default_factory=list)


class Graph:
    """Parties by key, ties by their ends: in the order in which they came.

    `partial`: there is more, and it was left out.
    """

    def __init__(self) -> None:
        self.parties: dict[str, Party] = {}
        self.ties: dict[tuple[str, str], Tie] = {}
        self.partial = False

    def party(self, key: str) -> bool:
        """Make room for it; whether there is."""
        if key in self.parties:
            return True
        if len(self.parties) >= PARTIES:
            self.partial = True
            return False
        name, _, owner = key.partition(" ")
        kind = "rule" if owner else "webhook" if key.startswith("wh_") else "source"
        self.parties[key] = Party(name, kind, owner=owner)
        return True

    def add(self, rows: Iterable[Sequence[str]]) -> set[str]:
        """Subscriptions: (emitter, listener, channel, owner). The keys of what was not there."""
        before = set(self.parties)
        for emitter_id, listener, channel, owner in rows:
            emitter = f"{emitter_id} {owner}" if emitter_id in GLOBS else emitter_id
            tie = self.tie(emitter, listener)
            if tie is not None and channel not in tie.channels:
                tie.channels.append(channel)
        return set(self.parties) - before

    def tie(self, emitter: str, listener: str) -> Tie | None:
        """The one between the two; None, when there is no room."""
        found = self.ties.get((emitter, listener))
        if found is not None:
            return found
        missing = len({emitter, listener} - set(self.parties))
        if len(self.ties) >= TIES or len(self.parties) + missing > PARTIES:
            self.partial = True
            return None
        self.party(emitter)
        self.party(listener)
        made = self.ties[(emitter, listener)] = Tie(emitter, listener)
        return made


def around(source_id: str, owner_id: str, depth: int) -> Graph:
    """What is at most `depth` ties away from a source, whichever way they lead; the rules that
    stand for it are its neighbours."""
    graph = Graph()
    graph.party(source_id)
    rules = _rows(_OF_RULES, owner=owner_id)
    graph.partial |= len(rules) == ROWS
    for rule in dict.fromkeys(row[0] for row in rules if row[0] == EVERY_SOURCE):
        graph.tie(source_id, f"{rule} {owner_id}")
    found = graph.add(row for row in rules if row[0] == EVERY_SOURCE and row[1] != source_id)
    frontier = {source_id}
    for _ in range(depth):
        ids = sorted(frontier)
        emitted, heard = _rows(_EMITTED, ids=ids), _rows(_HEARD, ids=ids)
        graph.partial |= ROWS in (len(emitted), len(heard))
        frontier = {key for key in graph.add([*emitted, *heard]) | found if " " not in key}
        found = set()
        if not frontier:
            break
    return graph


def connected(owner_id: str | None = None) -> Graph:
    """Those who have most ties, of one owner or of all: among the newest subscriptions."""
    graph = Graph()
    sql = _CONNECTED.format(where="WHERE owner_id = %(owner)s" if owner_id else "")
    rows = _rows(sql, owner=owner_id)
    graph.add(rows)
    graph.partial |= len(rows) == ROWS
    return graph


def name(graph: Graph, *, sources: bool, webhooks: bool, users: bool) -> None:
    """Say what is known of its parties: of the kinds that may be looked at."""
    for kind, sql, may in (("source", _SOURCES, sources), ("webhook", _WEBHOOKS, webhooks)):
        if not may:
            continue
        known = {row[0]: row[1:] for row in _rows(sql, ids=list(_ids(graph, kind)))}
        for party in graph.parties.values():
            if party.kind == kind and party.id in known:
                party.name, *rest = known[party.id]
                party.state = rest[0] if kind == "source" else _webhook_state(*rest)
    if users:
        owners = sorted({party.owner for party in graph.parties.values() if party.owner})
        names = dict(_rows(_OWNERS, ids=owners)) if owners else {}
        for party in graph.parties.values():
            party.name = names.get(party.owner, party.name)


def _ids(graph: Graph, kind: str) -> Iterator[str]:
    return (party.id for party in graph.parties.values() if party.kind == kind)


def _webhook_state(active: bool, deleted: bool) -> str:
    return "deleted" if deleted else "active" if active else "inactive"


def _rows(sql: str, **values: Any) -> list[Any]:
    bounds: dict[str, Any] = {
        "rows": ROWS,
        "most": admin_lists.LOOKED_THROUGH,
        "globs": list(GLOBS),
    }
    with connection.cursor() as cursor:
        cursor.execute(sql, bounds | values)
        found: list[Any] = cursor.fetchall()
        return found
