"""Users, components and sources by the thousand, in SQL: rows as the services leave them.

All of one `tag`, which makes their ids. Random ids as in life: neighbours in time lie scattered
over the indexes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import connection as django_connection
from django.db.models import Model

from apps.accounts.models import User
from apps.components.models import Component
from apps.sources.models import Source, Timer

OWNER = "u_bench1"
CODE = {
    "python": (
        "from headwater import Source, Timer\n\n\n"
        "class Tick(Source):\n"
        '    name = "Tick"\n'
        "    timer = Timer(interval_seconds=900)\n\n"
        "    def run(self, event):\n"
        '        self.emit({"timestamp": event["timestamp"]}, summary="tick")\n'
    ),
    "javascript": (
        "export default {\n"
        '  name: "Tick",\n'
        '  props: { timer: { type: "$.interface.timer", default: { intervalSeconds: 900 } } },\n'
        "  run(event) {\n"
        '    this.$emit({ timestamp: event.timestamp }, { summary: "tick" });\n'
        "  },\n"
        "};\n"
    ),
}
PROPS = [{"name": "timer", "type": "$.interface.timer"}]

# The id of row `i`.
ID = "substr(md5(%(tag)s || i), 1, 10)"
NUMBERS = " FROM generate_series(%(first)s::int, %(last)s::int) AS i"


def insert(
    connection: psycopg.Connection[Any],
    row: Model,
    columns: dict[str, str],
    names: dict[str, Any],
    behind: str = NUMBERS,
) -> None:
    """Many rows like `row`, the named columns being SQL; what the database defaults is left out."""
    expressions, values = dict(columns), dict(names)
    for field in row._meta.concrete_fields:
        name = field.attname
        if name in columns or field.has_db_default():
            continue
        values[f"row_{name}"] = field.get_db_prep_save(
            getattr(row, name), connection=django_connection
        )
        expressions[name] = f"%(row_{name})s"
    connection.execute(
        f"INSERT INTO {row._meta.db_table} ({', '.join(expressions)})"
        f" SELECT {', '.join(expressions.values())}{behind} ON CONFLICT DO NOTHING",
        values,
    )


@dataclass(slots=True)
class Sources:
    """Sources `1 … count` of one tag, their timers not yet going."""

    connection: psycopg.Connection[Any]
    tag: str
    language: str = "python"
    interval_s: int = 3600
    count: int = 0
    owner: str = OWNER
    # Instead of what ticks.
    code: str | None = None

    def components(self, count: int, tag: str | None = None) -> None:
        """Components `1 … count` of the tag; sources are spread over those of their own tag."""
        owner = User(id=self.owner, username=self.owner)
        insert(self.connection, owner, {}, {}, behind="")
        row = Component(
            owner_id=self.owner, name="Tick", name_slug="tick", language=self.language, props=PROPS
        )
        # Other code each, so that each has children of its own.
        columns = {"id": f"'sc_' || {ID}", "code": "%(code)s || i"}
        comment = "# " if self.language == "python" else "// "
        code = (self.code or CODE[self.language]) + comment
        names = {"tag": tag or self.tag, "code": code, "first": 1, "last": count}
        insert(self.connection, row, columns, names)

    def grow(self, count: int, components: int) -> None:
        """As many sources as `count`, those there included; then statistics as in life."""
        timer = {"cron": None, "interval_seconds": self.interval_s}
        source = Source(
            owner_id=self.owner, state=Source.State.ACTIVE, configured_props={"timer": timer}
        )
        names = {"tag": self.tag, "components": components, "first": self.count + 1, "last": count}
        columns = {
            "id": f"'dc_' || {ID}",
            "component_id": "'sc_' || substr(md5(%(tag)s || (i %% %(components)s + 1)), 1, 10)",
            "name": "%(tag)s || '-' || i",
            "name_slug": "%(tag)s || '-' || i",
        }
        name = {"source_id": f"'dc_' || {ID}"}
        with self.connection.transaction():
            insert(self.connection, source, columns, names)
            insert(self.connection, Timer(interval_seconds=self.interval_s), name, names)
            for table in ("actor", "component_state"):
                self.connection.execute(
                    f"INSERT INTO {table} (source_id) SELECT 'dc_' || {ID}{NUMBERS}", names
                )
        self.count = count
        self.connection.execute(
            "VACUUM ANALYZE sources_source, actor, component_state, sources_timer"
        )


def make(
    connection: psycopg.Connection[Any], tag: str, language: str, sources: int, components: int
) -> Sources:
    """`sources` sources over `components` components."""
    made = Sources(connection, tag, language)
    made.components(components)
    made.grow(sources, components)
    return made
