"""The versions of a key in the order in which the panel shows them (decision 0103).

Made while the platform works: no statement waits for it.
"""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("components", "0004_lists")]
    operations = [
        AddIndexConcurrently(
            "component",
            models.Index(fields=["key", "owner", "-created_at", "-id"], name="component_versions"),
        ),
        RemoveIndexConcurrently("component", "component_key"),
    ]
