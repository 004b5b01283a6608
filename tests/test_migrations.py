"""A migration leaves the version that runs beside it working: docs/operations.md, "Changing the
database". What cannot says so in its class: `breaks = "why, and since when nobody needs it"`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.postgres.operations import (
    AddIndexConcurrently,
    RemoveIndexConcurrently,
)
from django.db import migrations, models
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.questioner import NonInteractiveMigrationQuestioner
from django.db.migrations.state import ProjectState

from tests.documents.blocks import blocks

ROOT = Path(__file__).resolve().parents[1]
PATHS = sorted(p for p in ROOT.glob("apps/*/migrations/0*.py") if not p.name.startswith("0001"))
# Older than the first release: no running version knew the tables before.
BEFORE = {
    *("accounts/0002_keys", "accounts/0004_oauth", "accounts/0005_key_scopes"),
    *("components/0003_packages", "subscriptions/0002_delivery_due"),
}
BESIDE = (AddIndexConcurrently, RemoveIndexConcurrently)
LOCKING = (migrations.AddIndex, migrations.RemoveIndex)
GONE = (
    migrations.RemoveField, migrations.RenameField, migrations.DeleteModel, migrations.RenameModel,
    migrations.AlterModelTable, migrations.AlterOrderWithRespectTo,
)  # fmt: skip
CHECKED_WHOLE = (migrations.AddConstraint, migrations.AlterUniqueTogether)
_TABLE = r'(?:IF (?:NOT )?EXISTS )?(?:ONLY )?"?(\w+)"?'
SQL = {
    r"\bDROP (TABLE|COLUMN|VIEW)\b": "the running version reads it",
    r"\bRENAME\b": "the running version knows it by its old name",
    r"\bALTER COLUMN\b(?!\s+\"?\w+\"?\s+(SET (DEFAULT|STATISTICS|STORAGE)|DROP NOT NULL))": (
        "it may write the table anew, or refuse what the running version writes"
    ),
    r"\bDROP INDEX (?!CONCURRENTLY)": "it stops reads and writes while it waits",
    r"\bADD CONSTRAINT\b(?!.*\b(NOT VALID|USING INDEX)\b)": "it reads the whole table under a lock",
    r"\bVACUUM FULL\b|\bCLUSTER\b|\bLOCK TABLE\b|\bTRUNCATE\b": "nobody else gets at the table",
    r"\bREINDEX (?!.*CONCURRENTLY)": "nobody can write meanwhile",
}


def loaded(path: Path) -> Any:
    module = path.relative_to(ROOT).with_suffix("")
    return importlib.import_module(".".join(module.parts)).Migration


def excuse(migration: Any) -> str:
    return str(getattr(migration, "breaks", ""))


def name(path: Path) -> str:
    return f"{path.parts[-3]}/{path.stem}"


def flat(operations: Iterable[Operation]) -> Iterator[Operation]:
    for one in operations:
        if isinstance(one, migrations.SeparateDatabaseAndState):
            yield from flat(one.database_operations)
        else:
            yield one


def faults(operations: list[Operation]) -> list[str]:
    """What each operation would do to a version that runs beside it, or to its waiting time."""
    found: list[str] = []
    made: set[str] = set()
    for one in flat(operations):
        if isinstance(one, migrations.CreateModel):
            made.add(one.name.lower())
            continue
        if isinstance(one, migrations.RunSQL):
            found += _in_sql(one)
        elif str(getattr(one, "model_name", getattr(one, "name", ""))).lower() not in made:
            found += _in_operation(one)
    return found


def _in_operation(one: Operation) -> Iterator[str]:
    what = one.describe()
    if isinstance(one, GONE):
        yield f"{what}: the running version needs it"
    elif isinstance(one, migrations.AlterField):
        yield f"{what}: it may write the table anew, or refuse what the running version writes"
    elif isinstance(one, migrations.AddField) and not _fills_itself(one.field):
        yield f"{what}: the running version leaves it out of its INSERTs (null or db_default)"
    elif isinstance(one, CHECKED_WHOLE):
        yield f"{what}: it reads the whole table under a lock"
    elif isinstance(one, LOCKING) and not isinstance(one, BESIDE):
        yield f"{what}: nobody can write meanwhile (AddIndexConcurrently)"


def _fills_itself(field: Any) -> bool:
    return bool(field.null or field.has_db_default() or field.many_to_many)


def _in_sql(one: migrations.RunSQL) -> Iterator[str]:
    statements = one.sql if isinstance(one.sql, str) else " ; ".join(map(str, one.sql))
    text = re.sub(r"--[^\n]*", "", str(statements))
    made = {found.lower() for found in re.findall(rf"\bCREATE TABLE {_TABLE}", text, re.I)}
    for statement in text.split(";"):
        line = " ".join(statement.split())
        index = re.search(
            rf"\bCREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY).*?\bON (?!ONLY ){_TABLE}", line, re.I
        )
        if index and index[1].lower() not in made:
            yield f"{line[:70]}: nobody can write meanwhile (CONCURRENTLY)"
        column = re.search(r"\bADD COLUMN\b.*\bNOT NULL\b", line, re.I)
        if column and not re.search(r"\b(DEFAULT|GENERATED)\b", line, re.I):
            yield f"{line[:70]}: the running version leaves it out of its INSERTs"
        for pattern, why in SQL.items():
            if re.search(pattern, line, re.I):
                yield f"{line[:70]}: {why}"


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_the_running_version_lives_through_it(path: Path) -> None:
    migration = loaded(path)
    found = faults(migration.operations)
    excused = excuse(migration) or name(path) in BEFORE
    assert found == [] or excused, f"{found}: expand, deploy, contract; or say `breaks = …`"
    assert found or not excused, "an excuse that nothing needs"


def test_they_make_what_the_models_say() -> None:
    """As `makemigrations --check` sees it, without a database."""
    wanted = ProjectState.from_apps(apps)
    made = MigrationLoader(None).project_state()
    asking = NonInteractiveMigrationQuestioner(specified_apps=set(), dry_run=True)
    changes = MigrationAutodetector(made, wanted, asking).changes(graph=MigrationLoader(None).graph)
    found = {label: [str(one.operations) for one in each] for label, each in changes.items()}
    assert found == {}


TEXT = models.TextField
INDEX = models.Index(fields=["name"], name="by_name")
SAFE: list[Operation] = [
    migrations.CreateModel("thing", [("id", models.BigAutoField(primary_key=True))]),
    migrations.AddField("thing", "name", TEXT(null=True)),
    migrations.AddField("thing", "name", TEXT(db_default="")),
    migrations.RunSQL("CREATE TABLE t (a int); CREATE INDEX i ON t (a)", "DROP TABLE t"),
    migrations.RunSQL("CREATE INDEX CONCURRENTLY i ON old (a)"),
    migrations.RunSQL("CREATE INDEX i ON ONLY partitioned (a)"),
    migrations.RunSQL("ALTER TABLE old ADD COLUMN a int NOT NULL DEFAULT 0"),
    migrations.RunSQL("ALTER TABLE old ADD CONSTRAINT c CHECK (a > 0) NOT VALID"),
    migrations.RunSQL("ALTER TABLE old ALTER COLUMN a SET DEFAULT 1"),
    migrations.RunSQL("DROP INDEX CONCURRENTLY i"),
    AddIndexConcurrently("thing", INDEX),
]
BREAKING: list[Operation] = [
    migrations.RemoveField("thing", "name"),
    migrations.RenameField("thing", "name", "title"),
    migrations.AlterField("thing", "name", TEXT()),
    migrations.DeleteModel("thing"),
    migrations.AddField("thing", "name", TEXT(default="")),
    migrations.AddIndex("thing", INDEX),
    migrations.RemoveIndex("thing", "by_name"),
    migrations.AddConstraint("thing", models.UniqueConstraint(fields=["name"], name="one")),
    migrations.RunSQL("ALTER TABLE old DROP COLUMN a"),
    migrations.RunSQL("ALTER TABLE old RENAME a TO b"),
    migrations.RunSQL("ALTER TABLE old ALTER COLUMN a TYPE bigint"),
    migrations.RunSQL("ALTER TABLE old ALTER COLUMN a SET NOT NULL"),
    migrations.RunSQL("ALTER TABLE old ADD COLUMN a int NOT NULL"),
    migrations.RunSQL("ALTER TABLE old ADD CONSTRAINT c CHECK (a > 0)"),
    migrations.RunSQL("CREATE UNIQUE INDEX i ON old (a)"),
    migrations.RunSQL("DROP INDEX i"),
    migrations.SeparateDatabaseAndState([migrations.RunSQL("DROP TABLE old")]),
]


def in_words(one: Operation) -> str:
    return str(one.sql) if isinstance(one, migrations.RunSQL) else type(one).__name__


@pytest.mark.parametrize("one", SAFE, ids=in_words)
def test_this_is_safe(one: Operation) -> None:
    assert faults([one]) == []


@pytest.mark.parametrize("one", BREAKING, ids=in_words)
def test_this_is_not(one: Operation) -> None:
    assert len(faults([one])) == 1


def test_a_table_that_is_new_may_be_changed_at_will() -> None:
    assert faults([SAFE[0], migrations.AddIndex("thing", INDEX)]) == []


def test_the_page_shows_how_a_migration_says_it() -> None:
    [shown] = [one for one in blocks("docs/operations.md") if "migrations.Migration" in one.text]
    made: dict[str, Any] = {"migrations": migrations}
    exec(shown.text, made)  # noqa: S102
    assert excuse(made["Migration"])
