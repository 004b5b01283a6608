"""The tables of the way (guides: measured on this schema). See `apps.runs.models` for meanings."""

from django.db import migrations, models

import apps.core.clock
import apps.core.fields

TABLES = """
CREATE TABLE actor (
  source_id varchar(16) COLLATE "C" PRIMARY KEY,
  fence bigint NOT NULL DEFAULT 0,
  token bigint NOT NULL DEFAULT 0,
  until timestamptz NOT NULL DEFAULT 'epoch',
  last_ms bigint NOT NULL DEFAULT 0,
  last_n integer NOT NULL DEFAULT 0,
  pub_ms bigint NOT NULL DEFAULT 0,
  pub_n integer NOT NULL DEFAULT 0,
  lost integer NOT NULL DEFAULT 0,
  log_lines integer NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE component_state (
  source_id varchar(16) COLLATE "C" PRIMARY KEY,
  store bytea NOT NULL DEFAULT '{}',
  dedupe bytea NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50);

CREATE TABLE mailbox (
  id bigint GENERATED ALWAYS AS IDENTITY,
  source_id varchar(16) COLLATE "C" NOT NULL,
  cause varchar(16) NOT NULL,
  key varchar(200) COLLATE "C" NOT NULL,
  cause_at timestamptz NOT NULL,
  due_at timestamptz NOT NULL,
  queued_at timestamptz NOT NULL,
  attempt smallint NOT NULL DEFAULT 0,
  hops smallint NOT NULL DEFAULT 0,
  payload bytea,
  emitter_id varchar(16) COLLATE "C",
  channel varchar(64) COLLATE "C",
  ms bigint,
  n integer,
  PRIMARY KEY (source_id, id),
  UNIQUE (source_id, cause, key)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000);

CREATE TABLE http_response (
  run_id uuid PRIMARY KEY,
  status smallint,
  headers bytea,
  body bytea,
  created_at timestamptz NOT NULL
);
CREATE INDEX http_response_age ON http_response USING brin (created_at);

CREATE TABLE run (
  id uuid NOT NULL,
  source_id varchar(16) COLLATE "C" NOT NULL,
  owner_id varchar(16) COLLATE "C" NOT NULL,
  component_id varchar(16) COLLATE "C" NOT NULL,
  cause varchar(16) NOT NULL,
  key varchar(200) COLLATE "C" NOT NULL,
  cause_at timestamptz NOT NULL,
  queued_at timestamptz NOT NULL,
  started_at timestamptz,
  ended_at timestamptz NOT NULL,
  state varchar(16) NOT NULL,
  attempt smallint NOT NULL,
  duration_ms integer NOT NULL,
  emitted integer NOT NULL,
  suppressed integer NOT NULL,
  error bytea,
  PRIMARY KEY (id, cause_at)
) PARTITION BY RANGE (cause_at);
CREATE TABLE run_default PARTITION OF run DEFAULT;
CREATE INDEX run_listing ON run (source_id, cause_at DESC);
"""

DROP = "DROP TABLE run; DROP TABLE http_response; DROP TABLE mailbox; DROP TABLE component_state; DROP TABLE actor"


def _unmanaged(name, table, fields):
    return migrations.CreateModel(
        name=name, fields=fields, options={"db_table": table, "managed": False}
    )


def _text(length=16, **kwargs):
    return models.CharField(db_collation="C", max_length=length, **kwargs)


STATE = [
    _unmanaged(
        "Actor",
        "actor",
        [
            ("source_id", _text(primary_key=True, serialize=False)),
            ("fence", models.BigIntegerField()),
            ("token", models.BigIntegerField()),
            ("until", models.DateTimeField()),
            ("last_ms", models.BigIntegerField()),
            ("last_n", models.IntegerField()),
            ("pub_ms", models.BigIntegerField()),
            ("pub_n", models.IntegerField()),
            ("lost", models.IntegerField()),
            ("log_lines", models.IntegerField()),
        ],
    ),
    _unmanaged(
        "ComponentState",
        "component_state",
        [
            ("source_id", _text(primary_key=True, serialize=False)),
            ("store", models.BinaryField()),
            ("dedupe", models.BinaryField()),
        ],
    ),
    _unmanaged(
        "MailboxRow",
        "mailbox",
        [
            ("id", models.BigIntegerField(primary_key=True, serialize=False)),
            ("source_id", _text()),
            ("cause", models.CharField(max_length=16)),
            ("key", models.CharField(max_length=200)),
            ("cause_at", models.DateTimeField()),
            ("due_at", models.DateTimeField()),
            ("queued_at", models.DateTimeField()),
            ("attempt", models.SmallIntegerField()),
            ("hops", models.SmallIntegerField()),
            ("payload", models.BinaryField(null=True)),
            ("emitter_id", _text(null=True)),
            ("channel", _text(64, null=True)),
            ("ms", models.BigIntegerField(null=True)),
            ("n", models.IntegerField(null=True)),
        ],
    ),
    _unmanaged(
        "HttpResponse",
        "http_response",
        [
            ("run_id", models.UUIDField(primary_key=True, serialize=False)),
            ("status", models.SmallIntegerField(null=True)),
            ("headers", models.BinaryField(null=True)),
            ("body", models.BinaryField(null=True)),
            ("created_at", models.DateTimeField()),
        ],
    ),
    _unmanaged(
        "Run",
        "run",
        [
            ("id", models.UUIDField(primary_key=True, serialize=False)),
            ("source_id", _text()),
            ("owner_id", _text()),
            ("component_id", _text()),
            ("cause", models.CharField(max_length=16)),
            ("key", models.CharField(max_length=200)),
            ("cause_at", models.DateTimeField()),
            ("queued_at", models.DateTimeField()),
            ("started_at", models.DateTimeField(null=True)),
            ("ended_at", models.DateTimeField()),
            ("state", models.CharField(max_length=16)),
            ("attempt", models.SmallIntegerField()),
            ("duration_ms", models.IntegerField()),
            ("emitted", models.IntegerField()),
            ("suppressed", models.IntegerField()),
            ("error", models.BinaryField(null=True)),
        ],
    ),
]


class Migration(migrations.Migration):
    initial = True
    dependencies = [("core", "0001_initial")]
    operations = [
        migrations.RunSQL(TABLES, DROP, state_operations=STATE),
        migrations.CreateModel(
            name="Operation",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=16)),
                ("state", models.CharField(default="queued", max_length=16)),
                ("source_id", _text(null=True)),
                ("owner_id", _text()),
                ("args", apps.core.fields.CompactJSONField(default=dict)),
                ("result", apps.core.fields.CompactJSONField(null=True)),
                ("attempt", models.SmallIntegerField(default=0)),
                ("token", models.BigIntegerField(default=0)),
                ("until", models.DateTimeField(db_default=apps.core.clock.AppNow())),
                ("created_at", models.DateTimeField(db_default=apps.core.clock.AppNow())),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "operation",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["queued", "running"])),
                        fields=["source_id", "id"],
                        name="operation_open",
                    )
                ],
            },
        ),
    ]
