"""Indexes along which the lists of the panel walk (docs/decisions/0106-lists.md).

Made while the platform works: no statement waits for them.
"""

from django.db import migrations

_PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'run'::regclass"
# Newest first over all sources; those that did not succeed, of which there are few.
_INDEXES = {
    "run_newest": "(cause_at DESC)",
    "run_trouble": "(state, cause_at DESC) WHERE state <> 'succeeded'",
}


def forward(apps, editor):
    """An index of a partitioned table cannot be made concurrently: first that of the table, which
    partitions to come inherit, then one of each partition, which is attached."""
    with editor.connection.cursor() as cursor:
        for name, what in _INDEXES.items():
            cursor.execute(f"CREATE INDEX {name} ON ONLY run {what}")
            cursor.execute(_PARTITIONS)
            for (partition,) in cursor.fetchall():
                own = f"{partition}_{name.removeprefix('run_')}"
                cursor.execute(f"CREATE INDEX CONCURRENTLY {own} ON {partition} {what}")
                cursor.execute(f"ALTER INDEX {name} ATTACH PARTITION {own}")


def backward(apps, editor):
    for name in _INDEXES:
        editor.execute(f"DROP INDEX {name}")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("runs", "0003_process")]
    operations = [migrations.RunPython(forward, backward)]
