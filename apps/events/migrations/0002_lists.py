"""Indexes along which the lists of the panel walk (docs/decisions/0106-lists.md).

Made while the platform works: no statement waits for them.
"""

from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("events", "0001_initial")]
    operations = [
        # It finds what is past its retention too. A block range index did until rows were deleted:
        # then new ones come to lie between old ones.
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY event_newest ON event (stored_at)",
            "DROP INDEX event_newest",
        ),
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY event_age",
            "CREATE INDEX event_age ON event USING brin (stored_at)",
        ),
    ]
