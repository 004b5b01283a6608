"""The processes at work, each with its sign of life: see `apps.runs.processes`."""

from django.db import migrations, models

import apps.core.fields

# Rewritten every few seconds and never large: each update stays on its page.
COMPACT = "ALTER TABLE process SET (fillfactor = 30, autovacuum_vacuum_scale_factor = 0)"


class Migration(migrations.Migration):
    dependencies = [("runs", "0002_suppressed")]
    operations = [
        migrations.CreateModel(
            name="Process",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=16)),
                ("name", models.CharField(max_length=64)),
                ("host", models.CharField(max_length=255)),
                ("pid", models.IntegerField()),
                ("started_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
                ("state", models.CharField(max_length=200)),
                ("facts", apps.core.fields.CompactJSONField(default=dict)),
                ("metrics", models.BinaryField(default=b"{}")),
            ],
            options={"db_table": "process", "verbose_name_plural": "processes"},
        ),
        migrations.RunSQL(COMPACT, "ALTER TABLE process RESET (fillfactor)"),
    ]
