"""The sources of a component in the order in which the panel shows them (decision 0103).

Made while the platform works; the index that it replaces goes in a moment.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.deletion import PROTECT


class Migration(migrations.Migration):
    atomic = False
    # Of the column only its index is dropped: a lock for a moment.
    breaks = "nothing: the column stays as it is"
    dependencies = [("sources", "0003_change_actor"), ("components", "0004_lists")]
    operations = [
        AddIndexConcurrently(
            "source",
            models.Index(fields=["component", "-created_at", "-id"], name="source_component"),
        ),
        migrations.AlterField(
            "source",
            "component",
            models.ForeignKey(
                "components.Component", db_index=False, on_delete=PROTECT, related_name="sources"
            ),
        ),
    ]
