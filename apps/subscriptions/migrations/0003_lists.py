"""Indexes along which the lists of the panel walk (docs/decisions/0106-lists.md).

Made while the platform works: no statement waits for them.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("subscriptions", "0002_delivery_due")]
    operations = [
        AddIndexConcurrently("autosubscription", models.Index(fields=["-created_at", "-id"], name="auto_subscription_newest")),
        AddIndexConcurrently("subscription", models.Index(fields=["-created_at", "-id"], name="subscription_newest")),
        AddIndexConcurrently("subscription", models.Index(fields=["emitter_id"], name="subscription_emitter")),
        AddIndexConcurrently("webhook", models.Index(fields=["-created_at", "-id"], name="webhook_newest")),
        # Few deliveries die.
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY delivery_dead ON delivery (id) WHERE state = 'dead'",
            "DROP INDEX delivery_dead",
        ),
    ]
