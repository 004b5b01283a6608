"""Indexes along which the lists of the panel walk (docs/decisions/0106-lists.md).

Made while the platform works: no statement waits for them.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("sources", "0001_initial"), ("components", "0002_search")]
    operations = [
        AddIndexConcurrently("source", models.Index(fields=["-created_at", "-id"], name="source_newest")),
        AddIndexConcurrently("source", models.Index(fields=["state", "-created_at", "-id"], name="source_state")),
        # For a part of the name, as Django looks for it.
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY source_name ON sources_source"
            " USING gin (upper(name) gin_trgm_ops)",
            "DROP INDEX source_name",
        ),
        AddIndexConcurrently("sourcechange", models.Index(fields=["-at", "-id"], name="source_change_newest")),
        AddIndexConcurrently("sourcechange", models.Index(fields=["kind", "-at", "-id"], name="source_change_kind")),
    ]
