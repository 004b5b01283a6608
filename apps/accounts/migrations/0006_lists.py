"""Indexes along which the lists of the panel walk (docs/decisions/0106-lists.md).

Made while the platform works: no statement waits for them.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("accounts", "0005_key_scopes")]
    operations = [
        AddIndexConcurrently("account", models.Index(fields=["-created_at", "-id"], name="account_newest")),
        AddIndexConcurrently("apikey", models.Index(
            fields=["prefix"], name="api_key_prefix", opclasses=["varchar_pattern_ops"]
        )),
    ]
