"""Indexes along which the lists of the panel walk (docs/decisions/0106-lists.md).

Made while the platform works: no statement waits for them.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("components", "0003_packages")]
    operations = [
        AddIndexConcurrently("component", models.Index(fields=["-created_at", "-id"], name="component_newest")),
        # For a part of the name, as Django looks for it.
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY component_name ON components_component"
            " USING gin (upper(name) gin_trgm_ops)",
            "DROP INDEX component_name",
        ),
        AddIndexConcurrently("packageset", models.Index(fields=["-created_at", "name"], name="package_set_newest")),
    ]
