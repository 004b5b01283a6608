"""What was asked under an Idempotency-Key, and what came of it; kept for a day."""

from django.db import migrations

# scope          the source whose endpoint was called, or the user who called the API
# key, asked     SHA-256 of the key, and of the request that it stands for
# name           of an endpoint's request: the id under which it was accepted
# operation_id, until, status, headers, body   of a call of the API: see apps.api.idempotency
CREATE = """
CREATE TABLE idempotency (
  scope varchar(16) COLLATE "C" NOT NULL,
  key bytea NOT NULL,
  asked bytea NOT NULL,
  created_at timestamptz NOT NULL,
  name varchar(32) COLLATE "C",
  operation_id bigint,
  until timestamptz,
  status smallint,
  headers bytea,
  body bytea,
  PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_age ON idempotency USING brin (created_at);
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = [("core", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, "DROP TABLE idempotency")]
