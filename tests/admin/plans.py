"""What the statements of a list read, as PostgreSQL counts it: the same on every machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from apps.core import admin_lists
from tests.admin import walking

# Those that grow without end; partitions of `run` begin with its name.
LARGE = {
    *("event", "run", "mailbox", "actor", "component_state", "http_response", "delivery"),
    *("sources_source", "sources_sourcechange", "sources_timer", "sources_skippedslots"),
    "sources_activity",
    *("subscriptions_subscription", "operation"),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """`rows`: the most that one statement took from tables, those that a filter threw away too.
    `whole`: large tables that it read from end to end, longer than a list is counted."""

    rows: int
    whole: list[str]
    text: str


def of(user: User, way: walking.Way) -> Plan:
    """The worst of the statements that a list makes: its edge, its count and its page."""
    return worst(lambda: list(walking.changes_of(user, way.model, way.url).result_list))


def worst(work: Callable[[], object]) -> Plan:
    """The worst of the statements that are made by some work."""
    with CaptureQueriesContext(connection) as captured:
        work()
    asked = [query["sql"] for query in captured.captured_queries]
    plans = [_explained(sql) for sql in asked if sql.lstrip().startswith(("SELECT", "WITH"))]
    # None at all, when nothing can be found.
    return max(plans, key=lambda plan: (len(plan.whole), plan.rows), default=Plan(0, [], ""))


def _explained(statement: str) -> Plan:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}")
        found: Any = cursor.fetchone()[0]
    top = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    rows, whole, lines = 0, [], [statement]
    for depth, node in _nodes(top):
        table = node.get("Relation Name", "")
        lines.append(
            f"{'  ' * depth}{node['Node Type']} {table} {node.get('Index Name', '')}"
            f" rows={node['Actual Rows']} loops={node['Actual Loops']}"
            f" removed={node.get('Rows Removed by Filter', 0)}"
        )
        one = 0
        if table:
            one = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            one += node.get("Rows Removed by Index Recheck", 0)
            rows += int(one * node["Actual Loops"])
        if node["Node Type"] == "Seq Scan" and _large(table) and one > admin_lists.COUNTED:
            whole.append(table)
    return Plan(rows, whole, "\n".join(lines))


def _nodes(node: dict[str, Any], depth: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    yield depth, node
    for inner in node.get("Plans", []):
        yield from _nodes(inner, depth + 1)


def _large(table: str) -> bool:
    return table in LARGE or (table.startswith("run_2") and table[4:].isdigit())
