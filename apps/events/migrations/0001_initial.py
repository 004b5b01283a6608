from django.db import migrations, models

CREATE = """
CREATE TABLE event (
  source_id varchar(16) COLLATE "C" NOT NULL,
  channel varchar(64) COLLATE "C" NOT NULL,
  ms bigint NOT NULL,
  n integer NOT NULL,
  run_id uuid NOT NULL,
  payload bytea NOT NULL,
  meta bytea NOT NULL,
  hops smallint NOT NULL DEFAULT 0,
  stored_at timestamptz NOT NULL,
  due_at timestamptz,
  deleted_at timestamptz,
  PRIMARY KEY (source_id, channel, ms, n)
);
-- Rows arrive in the order of time: a block range index finds what is past its retention.
CREATE INDEX event_age ON event USING brin (stored_at);
-- Few are scheduled: what is still to come of a channel is found without reading all of it (F10).
CREATE INDEX event_due ON event (source_id, channel, due_at) WHERE due_at IS NOT NULL;
-- Only deletions write it: what is hidden waits here for its removal (F9).
CREATE INDEX event_hidden ON event (deleted_at) WHERE deleted_at IS NOT NULL;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = [("core", "0001_initial")]
    operations = [
        migrations.RunSQL(
            CREATE,
            "DROP TABLE event",
            state_operations=[
                migrations.CreateModel(
                    name="Event",
                    fields=[
                        ("source_id", models.CharField(db_collation="C", max_length=16)),
                        ("channel", models.CharField(db_collation="C", max_length=64)),
                        ("ms", models.BigIntegerField(primary_key=True, serialize=False)),
                        ("n", models.IntegerField()),
                        ("run_id", models.UUIDField()),
                        ("payload", models.BinaryField()),
                        ("meta", models.BinaryField()),
                        ("hops", models.SmallIntegerField()),
                        ("stored_at", models.DateTimeField()),
                        ("due_at", models.DateTimeField(null=True)),
                        ("deleted_at", models.DateTimeField(null=True)),
                    ],
                    options={"db_table": "event", "managed": False},
                )
            ],
        )
    ]
