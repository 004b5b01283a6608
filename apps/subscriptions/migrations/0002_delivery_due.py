from django.db import migrations

# Due deliveries are walked webhook by webhook, so that the thousands of one that fails stand in
# nobody's way; those of one event are looked up when the event is to be purged (F9), and those of
# an emitter when it is deleted.
FORWARD = """
DROP INDEX delivery_due;
CREATE INDEX delivery_due ON delivery (webhook_id, next_attempt_at, id) WHERE state = 'pending';
CREATE INDEX delivery_event ON delivery (emitter_id, ms, n) WHERE state = 'pending';
"""
BACKWARD = """
DROP INDEX delivery_event;
DROP INDEX delivery_due;
CREATE INDEX delivery_due ON delivery (next_attempt_at) WHERE state = 'pending';
"""


class Migration(migrations.Migration):

    dependencies = [('subscriptions', '0001_initial')]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
