"""The ledger by its actors, newest first. Made while the platform works: no statement waits for it."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("sources", "0002_lists")]
    operations = [
        AddIndexConcurrently("sourcechange", models.Index(fields=["actor", "-at", "-id"], name="source_change_actor")),
    ]
