"""Rows to work on and eyes to look with, over a plain connection: for tests whose server is not
Django's, or whose processes are not this one.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import orjson
import psycopg
import redis
from django.db.models import JSONField, Model
from psycopg.types.json import Jsonb

from apps.accounts.models import User
from apps.components.models import Component
from apps.core.fields import CompactJSONField
from apps.core.ids import new_id
from apps.sources.models import Source, Timer
from apps.subscriptions.models import Subscription

T = TypeVar("T")

# Emits the number of its run, which it keeps in its store: one missing or done twice is seen.
COUNTER = """
from headwater import Source, Store


class Counter(Source):
    name = "Counter"
    version = "0.0.1"
    db = Store()

    def run(self, event):
        count = self.db.get("count", 0) + 1
        self.db.set("count", count)
        self.emit({"count": count, "event": event}, id=count)
"""

# Rows are deleted, not truncated: of small tables that is ten times as fast.
TABLES = [
    *("delivery", "fanout_due", "held_back", "suppressed", "subscriptions_subscription"),
    *("subscriptions_autosubscription", "subscriptions_webhook"),
    *("actor", "component_state", "mailbox", "run", "event", "operation", "sources_timer"),
    "process",
    *(
        "sources_skippedslots",
        "sources_activity",
        "sources_sourcechange",
        "sources_source",
        "components_component",
    ),
    *("accounts_usagedelta", "accounts_usageday", "accounts_apikey"),
    *("accounts_connecting", "accounts_account", "accounts_oauthclient"),
    *("django_session", "accounts_user_user_permissions", "accounts_user"),
]


@dataclass(frozen=True, slots=True)
class Ended:
    """A row of history."""

    cause: str
    key: str
    state: str
    attempt: int
    emitted: int
    error: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of the ledger of events."""

    id: str
    channel: str
    payload: Any


def until(
    condition: Callable[[], T], within_s: float = 30, what: str = "", every_s: float = 0.05
) -> T:
    """Wait until `condition()` is true and return what it gave. AssertionError after `within_s`: a
    limit, never a pause that a result hangs on."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {within_s} s: {what or condition}"
        time.sleep(every_s)
    return found


class World:
    """One platform's database, from outside."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.owner = ""
        self._connection: psycopg.Connection[Any] | None = None

    # --- connection -----------------------------------------------------------------------------

    def sql(self, text: str, *values: Any) -> list[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self.dsn, autocommit=True)
        cursor = self._connection.execute(text, values or None)
        return cursor.fetchall() if cursor.description else []

    def one(self, text: str, *values: Any) -> Any:
        return self.sql(text, *values)[0][0]

    def connect(self) -> psycopg.Connection[Any]:
        """One more connection, for a transaction."""
        return psycopg.connect(self.dsn)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def clear(self) -> None:
        """Empty every table of the way, and put the clock right."""
        self.sql(";".join(f"DELETE FROM {table}" for table in TABLES))
        self.move_clock(0)

    def begin(self) -> None:
        """An empty world with one owner."""
        self.clear()
        self.owner = self.user()

    def move_clock(self, seconds: float) -> None:
        """`app_now()` from now on, this far from the server's clock (F21)."""
        body = "SELECT statement_timestamp()"
        if seconds:
            body += f" + {seconds} * interval ''1 second''"
        self.sql(
            "CREATE OR REPLACE FUNCTION app_now() RETURNS timestamptz LANGUAGE sql"
            f" STABLE PARALLEL SAFE AS '{body}'"
        )

    # --- making ---------------------------------------------------------------------------------

    def insert(self, model: type[Model], **values: Any) -> None:
        """A row of a table that Django manages; what is not given has the model's default."""
        columns: dict[str, Any] = {}
        for field in model._meta.concrete_fields:
            column = field.column or field.attname
            if field.attname in values:
                columns[column] = values[field.attname]
            elif field.has_default() or (field.empty_strings_allowed and not field.null):
                columns[column] = field.get_default()
            if isinstance(field, CompactJSONField) and column in columns:
                columns[column] = orjson.dumps(columns[column])
            elif isinstance(field, JSONField) and column in columns:
                columns[column] = Jsonb(columns[column])
        names, places = ", ".join(columns), ", ".join(["%s"] * len(columns))
        self.sql(
            f"INSERT INTO {model._meta.db_table} ({names}) VALUES ({places})", *columns.values()
        )

    def user(self) -> str:
        user_id = new_id("u")
        self.insert(User, id=user_id, username=user_id, date_joined=datetime.now(UTC))
        return user_id

    def component(
        self, code: str = COUNTER, dedupe: str | None = None, language: str = "python"
    ) -> str:
        component_id = new_id("sc")
        self.insert(
            Component,
            id=component_id,
            owner_id=self.owner,
            name="Test",
            name_slug="test",
            language=language,
            code=code,
            code_hash=hashlib.sha256(code.encode()).hexdigest(),
            dedupe=dedupe,
        )
        return component_id

    def source(self, component: str, state: str = "active", **timer: Any) -> str:
        """An active source; with `interval` (seconds) or `cron`, a timer that is due `due_in`
        seconds from now."""
        source_id = new_id("dc")
        self.insert(
            Source,
            id=source_id,
            owner_id=self.owner,
            component_id=component,
            state=state,
            name=source_id,
            name_slug=source_id,
        )
        self.sql("INSERT INTO actor (source_id) VALUES (%s)", source_id)
        self.sql("INSERT INTO component_state (source_id) VALUES (%s)", source_id)
        if timer:
            now: datetime = self.one("SELECT app_now()")
            self.insert(
                Timer,
                source_id=source_id,
                interval_seconds=timer.get("interval"),
                cron=timer.get("cron"),
                next_fire_at=now + timedelta(seconds=timer.get("due_in", 0)),
            )
        return source_id

    def sources(self, component: str, count: int, **timer: Any) -> list[str]:
        return [self.source(component, **timer) for _ in range(count)]

    def queue(self, source_id: str, payload: bytes = b"null", **row: Any) -> int:
        """A Run in the mailbox, by hand unless `cause` says otherwise; returns its row's id."""
        found: int = self.one(
            "INSERT INTO mailbox (source_id, cause, key, cause_at, due_at, queued_at, payload)"
            " VALUES (%s, %s, %s, app_now(), app_now(), app_now(), %s) RETURNING id",
            source_id, row.get("cause", "manual"), row.get("key", uuid.uuid4().hex), payload,
        )  # fmt: skip
        return found

    def subscribe(self, emitter: str, listener: str, event_name: str = "") -> str:
        """A subscription of our owner's, as from now."""
        made = new_id("sub")
        self.insert(
            Subscription,
            id=made,
            owner_id=self.owner,
            emitter_id=emitter,
            listener_id=listener,
            event_name=event_name,
        )
        return made

    # --- looking --------------------------------------------------------------------------------

    def mailbox(self, source_id: str | None = None) -> int:
        found: int = self.one(
            "SELECT count(*) FROM mailbox WHERE source_id = coalesce(%s, source_id)", source_id
        )
        return found

    def runs(self, source_id: str) -> list[Ended]:
        rows = self.sql(
            "SELECT cause, key, state, attempt, emitted, error FROM run WHERE source_id = %s"
            " ORDER BY ended_at, cause_at",
            source_id,
        )
        return [
            Ended(r[0], r[1], r[2], r[3], r[4], orjson.loads(r[5]) if r[5] else None) for r in rows
        ]

    def events(self, source_id: str, channel: str = "") -> list[Stored]:
        """In the order of their ids."""
        rows = self.sql(
            "SELECT ms, n, channel, payload FROM event WHERE source_id = %s AND channel = %s"
            " ORDER BY ms, n",
            source_id,
            channel,
        )
        return [Stored(f"{r[0]}-{r[1]}", r[2], orjson.loads(r[3])) for r in rows]

    def counts(self, source_id: str) -> list[int]:
        """The numbers that COUNTER emitted, in the order of their ids."""
        return [event.payload["count"] for event in self.events(source_id)]

    def store(self, source_id: str) -> Any:
        return orjson.loads(
            self.one("SELECT store FROM component_state WHERE source_id = %s", source_id)
        )

    def tail(self, source_id: str, length: int) -> list[tuple[str, str, bytes, bytes]]:
        """What the source's stream should show, by the ledger: id, channel, payload, metadata."""
        rows = self.sql(
            "SELECT ms, n, channel, payload, meta FROM event"
            " WHERE source_id = %s AND deleted_at IS NULL ORDER BY ms DESC, n DESC LIMIT %s",
            source_id,
            length,
        )
        return [(f"{r[0]}-{r[1]}", r[2], bytes(r[3]), bytes(r[4])) for r in reversed(rows)]

    def waits_for_a_lock(self, statement: str) -> bool:
        """Whether one with this text in it does; other sessions are at work too."""
        found: bool = self.one(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock' AND strpos(query, %s) > 0",
            statement,
        )
        return found

    def is_quiet(self, source_id: str | None = None) -> bool:
        """Nothing waits, nothing is held, everything is published."""
        open_rows: int = self.one(
            "SELECT (SELECT count(*) FROM mailbox WHERE source_id = coalesce(%s, source_id))"
            " + (SELECT count(*) FROM fanout_due"
            "    WHERE source_id = coalesce(%s, source_id) AND due_at <= app_now())"
            " + (SELECT count(*) FROM actor WHERE source_id = coalesce(%s, source_id)"
            "    AND (token <> 0 OR (pub_ms, pub_n) IS DISTINCT FROM (last_ms, last_n)))",
            source_id,
            source_id,
            source_id,
        )
        return open_rows == 0


def entries(client: redis.Redis, source_id: str) -> list[tuple[str, str, bytes, bytes]]:
    """What the source's stream shows: id, channel, payload, metadata."""
    found: Any = client.xrange(f"stream:{source_id}")
    return [
        (entry_id.decode(), fields[b"c"].decode(), fields[b"p"], fields[b"m"])
        for entry_id, fields in found
    ]
