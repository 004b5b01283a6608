"""Light records of what was not emitted, and why: see `apps.runs.suppressed`."""

from django.db import migrations

# No index but the key: a record that is met again is updated on its page.
CREATE = """
CREATE TABLE suppressed (
  source_id varchar(16) COLLATE "C" NOT NULL,
  channel varchar(64) COLLATE "C" NOT NULL,
  id_hash bytea NOT NULL,
  id bytea,
  reason varchar(16) NOT NULL,
  first_ms bigint NOT NULL,
  last_ms bigint NOT NULL,
  count bigint NOT NULL,
  PRIMARY KEY (source_id, channel, id_hash)
) WITH (fillfactor = 70);
"""


class Migration(migrations.Migration):
    dependencies = [("runs", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, "DROP TABLE suppressed")]
