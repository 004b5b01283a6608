"""What people did that starts runs or sends things again (decision 0128)."""

from django.db import migrations, models

from apps.core.clock import AppNow
from apps.core.fields import CompactJSONField


class Migration(migrations.Migration):
    dependencies = [("sources", "0005_names")]
    operations = [
        migrations.CreateModel(
            "Activity",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("run_now", "Run Now"), ("rerun", "Rerun"), ("replay", "Replay"),
                            ("redelivery", "Redelivery"),
                        ],
                        max_length=16,
                    ),
                ),
                ("subject_id", models.CharField(db_collation="C", max_length=16)),
                ("actor", models.CharField(db_collation="C", max_length=16)),
                ("at", models.DateTimeField(db_default=AppNow())),
                ("run_id", models.UUIDField(null=True, unique=True)),
                ("data", CompactJSONField(default=dict)),
            ],
            options={
                "verbose_name": "activity entry",
                "verbose_name_plural": "activity entries",
                "indexes": [
                    models.Index(fields=["-at", "-id"], name="activity_newest"),
                    models.Index(fields=["subject_id", "-at", "-id"], name="activity_subject"),
                    models.Index(fields=["actor", "-at", "-id"], name="activity_actor"),
                    models.Index(fields=["kind", "-at", "-id"], name="activity_kind"),
                ],
            },
        ),
    ]
