"""The statements of `apps.panel.seeding`, in their order: sets of rows, nothing one by one.

Names of parameters are those of `Sizes`, besides `owner` (a user name), `start` (of the numbers in
names), `salt` (of the ids), `now_ms`, `run_ms`, `event_ms` (how far back history reaches) and
`secret` (an encrypted value). Temporary tables hold what the rows of several tables are made of.
"""

from __future__ import annotations

# `dc_5YGuMo` of number `n`: 2^31 - 1 has no divisor in common with 62^6, so that no two numbers
# below it have the same id, and neighbours lie scattered over the indexes as in life.
IDS = """
CREATE OR REPLACE FUNCTION pg_temp.seed_id(prefix text, n bigint, salt bigint) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT prefix || '_' || string_agg(
    substr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz',
           1 + ((n * 2147483647 + salt) % 56800235584 / (62 ^ k)::bigint % 62)::int, 1), '')
  FROM generate_series(0, 5) AS k
$$
"""

USERS = """
INSERT INTO accounts_user (id, username, password, email, first_name, last_name, is_superuser,
  is_staff, is_active, date_joined, daily_compute_time_quota, daily_invocations_quota)
SELECT pg_temp.seed_id('u', i, %(salt)s), %(owner)s || CASE WHEN i = 0 THEN '' ELSE '-' || i END,
  '!', '', '', '', false, false, true, app_now() - (%(users)s - i) * interval '1 hour',
  CASE WHEN i %% 5 = 4 THEN 1800000 ELSE 9007199254740991 END,
  CASE WHEN i %% 5 = 4 THEN 10000 ELSE 9007199254740991 END
FROM generate_series(0, %(users)s - 1) AS i
ON CONFLICT (username) DO NOTHING;
CREATE TEMP TABLE seed_user AS
SELECT i AS u, a.id FROM generate_series(0, %(users)s - 1) AS i JOIN accounts_user a
  ON a.username = %(owner)s || CASE WHEN i = 0 THEN '' ELSE '-' || i END;
INSERT INTO accounts_apikey (public_id, user_id, name, prefix, sha256, scopes)
SELECT pg_temp.seed_id('key', u * 2 + k, %(salt)s), id, 'key ' || k,
  'hw_' || substr(md5(id || k), 1, 6), sha256(uuid_send(gen_random_uuid())),
  CASE k WHEN 0 THEN ARRAY['*'] ELSE ARRAY['read'] END
FROM seed_user, generate_series(0, 1) AS k;
INSERT INTO accounts_account (id, owner_id, app_slug, name, credentials, version, error)
SELECT pg_temp.seed_id('apn', u * 2 + k, %(salt)s), id,
  CASE k WHEN 0 THEN 'github' ELSE 'slack' END, 'account ' || k, %(secret)s, 1, ''
FROM seed_user, generate_series(0, 1) AS k;
INSERT INTO accounts_usageday (user_id, day, compute_ms, invocations)
SELECT id, (app_now() AT TIME ZONE 'UTC')::date - d, (1700000 * random())::bigint,
  (9900 * random())::bigint
FROM seed_user, generate_series(0, 29) AS d ON CONFLICT DO NOTHING
"""

# Of number c: of user c mod users; three of ten have an endpoint, the others a timer.
COMPONENTS = """
CREATE TEMP TABLE seed_component AS
SELECT c, pg_temp.seed_id('sc', c, %(salt)s) AS id, u.id AS owner_id,
  c / %(users)s %% 10 < 3 AS http, (ARRAY['Orders', 'Invoices', 'Releases', 'Comments', 'Alerts',
  'Uploads', 'Issues', 'Payments'])[1 + c / %(users)s %% 8] AS word
FROM generate_series(0, %(components)s - 1) AS c JOIN seed_user u ON u.u = c %% %(users)s;
INSERT INTO components_component (id, owner_id, key, name, name_slug, version, language, code,
  code_hash, entry, files, origin, props, hooks, created_at, updated_at)
SELECT id, owner_id, 'seed-' || lower(word) || '-' || c, 'New ' || word, 'new-' || lower(word),
  '0.0.' || c %% 7, 'python', code, encode(sha256(convert_to(code, 'UTF8')), 'hex'), '', '{}', '',
  CASE WHEN http THEN '[{"name":"http","type":"$.interface.http"}]'::bytea
       ELSE '[{"name":"timer","type":"$.interface.timer"}]'::bytea END,
  '[]', app_now() - interval '40 days', app_now() - interval '40 days'
FROM (SELECT *, format(E'from headwater import Http, Source, Timer\n\n\nclass New%%s(Source):\n'
  '    name = "New %%s"\n    %%s\n\n    def run(self, event):\n'
  '        self.emit({"number": %%s}, summary="%%s")\n', word, word,
  CASE WHEN http THEN 'http = Http()' ELSE 'timer = Timer(interval_seconds=900)' END, c, word)
  AS code FROM seed_component) AS made
"""

# Sources with a timer are inactive, so that nothing starts to run; those with an endpoint wait for
# requests. Two in a hundred are deleted, one has failed. `data` is what the first entry says.
SOURCES = """
CREATE TEMP TABLE seed_source AS
SELECT i, pg_temp.seed_id('dc', i, %(salt)s) AS id, c.owner_id, c.id AS component_id, c.http,
  i %% %(users)s AS u, word || ' ' || i + %(start)s AS name,
  lower(word) || '-' || i + %(start)s AS name_slug,
  CASE WHEN i %% 50 = 7 THEN 'deleted' WHEN i %% 100 = 9 THEN 'failed'
       WHEN c.http THEN 'active' ELSE 'inactive' END AS state,
  CASE WHEN c.http THEN '{}'
       WHEN i %% 20 = 3
       THEN '{"timer":{"cron":"0 8 * * 1","interval_seconds":null,"timezone":"UTC"}}'
       ELSE '{"timer":{"cron":null,"interval_seconds":900}}' END AS props,
  CASE WHEN c.http THEN 'null' WHEN i %% 20 = 3
       THEN '{"generation":1,"interval_seconds":null,"cron":"0 8 * * 1","timezone":"UTC"}'
       ELSE '{"generation":1,"interval_seconds":900,"cron":null,"timezone":"UTC"}' END AS timer,
  CASE WHEN c.http THEN substr(md5(i || ' ' || %(salt)s), 1, 32) END AS endpoint_key,
  date_trunc('milliseconds', app_now() - (1 - i / %(sources)s::float8) * interval '30 days'
    - interval '1 hour') AS at
FROM generate_series(0, %(sources)s - 1) AS i JOIN seed_component c ON c.c = i %% %(components)s;
INSERT INTO sources_source (id, owner_id, component_id, state, name, name_slug, configured_props,
  secret_props, concurrency, endpoint_key, version, created_at, updated_at, deleted_at)
SELECT id, owner_id, component_id, state, name, name_slug, convert_to(props, 'UTF8'), '{}', 1,
  CASE WHEN state IN ('active', 'inactive') THEN endpoint_key END,
  CASE state WHEN 'active' THEN 1 ELSE 2 END, at,
  CASE state WHEN 'active' THEN at ELSE at + interval '10 minutes' END,
  CASE state WHEN 'deleted' THEN at + interval '10 minutes' END
FROM seed_source ORDER BY i
"""

LEDGER = """
INSERT INTO sources_sourcechange (source_id, version, kind, actor, at, data)
SELECT id, version, kind, actor, at + (version - 1) * interval '10 minutes',
  convert_to(data, 'UTF8')
FROM (
  SELECT i, id, 1 AS version, 'deployed' AS kind, owner_id AS actor, at, format(
    '{"owner_id":"%%s","component_id":"%%s","state":"%%s","name":"%%s","name_slug":"%%s",'
    '"configured_props":%%s,"secret_props":{},"endpoint_key":%%s,"concurrency":1,'
    '"rate_limit":null,"timer":%%s}', owner_id, component_id,
    CASE state WHEN 'failed' THEN 'creating' ELSE 'active' END, name, name_slug, props,
    coalesce('"' || endpoint_key || '"', 'null'), timer) AS data
  FROM seed_source
  UNION ALL
  SELECT i, id, 2, CASE state WHEN 'inactive' THEN 'deactivated' ELSE state END,
    CASE state WHEN 'failed' THEN 'system' ELSE owner_id END, at,
    CASE state WHEN 'inactive' THEN '{"state":"inactive"}' ELSE format(
      '{"state":"%%s","endpoint_key":null,"secret_props":{},"timer":null}', state) END
  FROM seed_source WHERE state <> 'active'
) AS entries ORDER BY at + (version - 1) * interval '10 minutes', i;
INSERT INTO sources_timer (source_id, generation, interval_seconds, cron, timezone)
SELECT id, 1, (timer::json ->> 'interval_seconds')::int, timer::json ->> 'cron', 'UTC'
FROM seed_source WHERE state = 'inactive' AND NOT http;
INSERT INTO sources_skippedslots (source_id, generation, from_ms, to_ms, count, reason, blocker)
SELECT id, 1, %(now_ms)s - i * 1000 - 2700000, %(now_ms)s - i * 1000, 4, 'downtime', 0
FROM seed_source WHERE state = 'inactive' AND NOT http AND i %% 10 = 1;
CREATE TEMP TABLE seed_live AS
SELECT row_number() OVER (ORDER BY md5(id)) - 1 AS k, id, owner_id, component_id, http, u,
  row_number() OVER (PARTITION BY u ORDER BY i) - 1 AS v
FROM seed_source WHERE state IN ('active', 'inactive');
CREATE UNIQUE INDEX ON seed_live (k);
CREATE UNIQUE INDEX ON seed_live (u, v);
ANALYZE seed_live;
INSERT INTO component_state (source_id, store)
SELECT id, convert_to(format('{"count":%%s}', k), 'UTF8') FROM seed_live;
INSERT INTO suppressed (source_id, channel, id_hash, id, reason, first_ms, last_ms, count)
SELECT id, '', sha256(convert_to(n::text, 'UTF8')), convert_to(n::text, 'UTF8'), 'seen',
  %(now_ms)s - 80000000, %(now_ms)s - k %% 80000, 1 + n
FROM seed_live, generate_series(1, 3) AS n WHERE k %% 10 = 0
"""

# Some sources are far busier than most; every twentieth fails nearly always. What is rare does not
# hang on luck: of a few thousand runs some are dead.
RUNS = """
CREATE TEMP TABLE seed_run AS
SELECT j, id, k, at, took, CASE WHEN j %% 1000 = 500 THEN 'dead'
  WHEN k %% 20 = 5 AND luck < 0.8 OR luck < 0.01 THEN 'failed'
  WHEN luck > 0.997 THEN 'cancelled' ELSE 'succeeded' END AS state
FROM (
  SELECT j, gen_random_uuid() AS id, random() AS luck,
    floor(power(random(), 3) * (SELECT count(*) FROM seed_live))::bigint AS k,
    %(now_ms)s - %(run_ms)s + (j * %(run_ms)s::bigint) / %(runs)s AS at,
    (5 + 100 * power(random(), 4))::int AS took
  FROM generate_series(1::bigint, %(runs)s) AS j OFFSET 0
) AS drawn;
INSERT INTO run (id, source_id, owner_id, component_id, cause, key, cause_at, queued_at, started_at,
  ended_at, state, attempt, duration_ms, emitted, suppressed, error)
SELECT r.id, l.id, l.owner_id, l.component_id,
  CASE WHEN l.http THEN 'http' WHEN r.j %% 10 = 0 THEN 'event' ELSE 'timer' END,
  CASE WHEN l.http THEN md5(r.j::text) ELSE '1:' || r.at END,
  to_timestamp((r.at - 20) / 1000.0), to_timestamp((r.at - 10) / 1000.0),
  to_timestamp(r.at / 1000.0), to_timestamp((r.at + r.took) / 1000.0), r.state,
  CASE r.state WHEN 'dead' THEN 3 ELSE 1 END, r.took,
  (r.state = 'succeeded' AND r.j %% 3 < 2 AND r.j > %(runs)s - %(recent)s)::int,
  0, CASE WHEN r.state IN ('failed', 'dead') THEN convert_to(format(
    '{"code":null,"name":"ValueError","message":"page %%s has no items","stack":"","ts":%%s}',
    r.j, r.at), 'UTF8') END
FROM seed_run r JOIN seed_live l USING (k) ORDER BY r.j;
INSERT INTO http_response (run_id, status, headers, body, created_at)
SELECT r.id, 200, '[]', '{"ok":true}', to_timestamp(r.at / 1000.0)
FROM seed_run r JOIN seed_live l USING (k)
WHERE l.http AND r.j %% 10 = 0 AND r.at > %(now_ms)s - 86400000
"""

# The older ones belong to runs that are forgotten; then one of each run, the latest ones.
EVENTS = """
INSERT INTO event (source_id, channel, ms, n, run_id, payload, meta, stored_at)
SELECT l.id, channel, ms, 0, gen_random_uuid(),
  convert_to(format('{"number":%%s,"title":"Item %%s","url":"https://example.com/items/%%s"}',
    j, j, j), 'UTF8'),
  convert_to(format('{"id":%%s,"summary":"Item %%s"}', j, j), 'UTF8'), to_timestamp(ms / 1000.0)
FROM (
  SELECT j, (ARRAY['', '', '', '$logs', '$logs', 'paid'])[1 + j %% 6] AS channel,
    floor(power(random(), 3) * (SELECT count(*) FROM seed_live))::bigint AS k,
    %(now_ms)s - %(event_ms)s
      + j * (%(event_ms)s::bigint - %(run_ms)s) / (%(events)s - %(recent)s) AS ms
  FROM generate_series(1::bigint, %(events)s - %(recent)s) AS j OFFSET 0
) AS e JOIN seed_live l USING (k) ORDER BY ms;
INSERT INTO event (source_id, channel, ms, n, run_id, payload, meta, stored_at)
SELECT l.id, CASE WHEN r.state <> 'succeeded' THEN '$errors' WHEN r.j %% 3 < 2 THEN ''
  ELSE '$logs' END, r.at, 0, r.id,
  convert_to(CASE WHEN r.state <> 'succeeded' THEN format('{"error":{"name":"ValueError",'
    '"message":"page %%s has no items"}}', r.j) WHEN r.j %% 3 < 2 THEN format(
    '{"number":%%s,"title":"Item %%s","url":"https://example.com/items/%%s"}', r.j, r.j, r.j)
    ELSE format('{"type":"CONSOLE","level":"info","msg":"looked at page %%s","timestamp":%%s}',
      r.j, r.at) END, 'UTF8'),
  CASE WHEN r.state = 'succeeded' AND r.j %% 3 < 2
    THEN convert_to(format('{"id":%%s,"summary":"Item %%s"}', r.j, r.j), 'UTF8')
    WHEN r.state <> 'succeeded' THEN convert_to(format(
      '{"summary":"ValueError: page %%s has no items"}', r.j), 'UTF8') ELSE '{}' END,
  to_timestamp((r.at + r.took) / 1000.0)
FROM seed_run r JOIN seed_live l USING (k) WHERE r.j > %(runs)s - %(recent)s ORDER BY r.j;
INSERT INTO sources_activity (kind, subject_id, actor, at, data)
SELECT 'replay', l.id, l.owner_id, to_timestamp(r.at / 1000.0),
  convert_to(format('{"replay":"rp_%%s","events":3,"listeners":1}', r.j), 'UTF8')
FROM seed_run r JOIN seed_live l USING (k) WHERE r.j %% 20 = 0 ORDER BY r.j;
INSERT INTO actor (source_id, fence, last_ms, last_n, pub_ms, pub_n)
SELECT l.id, 1, coalesce(e.ms, 0), 0, coalesce(e.ms, 0), 0 FROM seed_live l
LEFT JOIN (SELECT source_id, max(ms) AS ms FROM event GROUP BY source_id) e ON e.source_id = l.id
"""

# What is pending belongs to webhooks that are switched off, so that nothing is sent.
LISTENERS = """
CREATE TEMP TABLE seed_hook AS
SELECT w, pg_temp.seed_id('wh', w, %(salt)s) AS id, u.id AS owner_id, u.u, w / %(users)s AS r,
  w / %(users)s %% 10 > 0 AS active
FROM generate_series(0, %(webhooks)s - 1) AS w JOIN seed_user u ON u.u = w %% %(users)s;
INSERT INTO subscriptions_webhook (id, owner_id, url, name, active, secret, created_at, updated_at)
SELECT id, owner_id, 'https://hooks.example.com/' || w, 'Hook ' || w, active,
  convert_to(format('[{"key":"%%s"}]', %(secret)s::text), 'UTF8'),
  app_now() - (%(webhooks)s - w) * interval '1 minute', app_now()
FROM seed_hook ORDER BY w;
INSERT INTO delivery (webhook_id, owner_id, emitter_id, channel, ms, n, state, attempts,
  next_attempt_at, history, created_at, ended_at)
SELECT h.id, h.owner_id, l.id, '', d.at, 0,
  CASE WHEN NOT h.active THEN 'pending' WHEN luck < 0.07 THEN 'dead' ELSE 'delivered' END,
  CASE WHEN NOT h.active THEN 2 WHEN luck < 0.07 THEN 10 ELSE 1 END,
  to_timestamp(d.at / 1000.0), convert_to(format('[{"at_ms":%%s,"status":%%s,"duration_ms":80}]',
    d.at, CASE WHEN NOT h.active OR luck < 0.07 THEN 503 ELSE 200 END), 'UTF8'),
  to_timestamp(d.at / 1000.0), CASE WHEN h.active THEN to_timestamp((d.at + 90) / 1000.0) END
FROM (SELECT k, at, luck, round,
        floor(draw * %(webhooks)s / %(users)s)::int + round AS r
      FROM (SELECT k, at, random() AS luck, random() AS draw, round FROM seed_run,
              generate_series(0, %(rounds)s - 1) AS round
            WHERE state = 'succeeded' AND j %% 3 < 2 AND j > %(runs)s - %(recent)s
            ORDER BY round, j DESC LIMIT %(deliveries)s) AS drawn) AS d
JOIN seed_live l USING (k)
JOIN seed_hook h ON h.u = l.u AND h.r = d.r %% (%(webhooks)s / %(users)s)
ORDER BY d.at ON CONFLICT DO NOTHING;
INSERT INTO subscriptions_subscription (id, owner_id, emitter_id, listener_id, event_name,
  created_at)
SELECT pg_temp.seed_id('sub', i, %(salt)s), e.owner_id, e.id, coalesce(h.id, l.id),
  (ARRAY['', '', '', '$errors', 'paid'])[1 + i %% 5],
  app_now() - (%(subscriptions)s - i) * interval '1 second'
FROM (
  SELECT i, floor(power(random(), 3) * (SELECT count(*) FROM seed_live))::bigint AS e,
    floor(power(random(), 2) * (SELECT count(*) / %(users)s FROM seed_live))::bigint AS v,
    CASE WHEN i %% 3 = 0 THEN floor(random() * %(webhooks)s / %(users)s)::int END AS r
  FROM generate_series(0, %(subscriptions)s - 1) AS i OFFSET 0
) AS s JOIN seed_live e ON e.k = s.e
LEFT JOIN seed_hook h ON h.r = s.r AND h.u = e.u
LEFT JOIN seed_live l ON s.r IS NULL AND l.u = e.u AND l.v = s.v AND l.id <> e.id
WHERE coalesce(h.id, l.id) IS NOT NULL ON CONFLICT DO NOTHING;
INSERT INTO subscriptions_subscription (id, owner_id, emitter_id, listener_id, event_name)
SELECT pg_temp.seed_id('sub', %(subscriptions)s + u, %(salt)s), owner_id, 'dc_*', id, '$errors'
FROM seed_hook WHERE r = 0;
INSERT INTO subscriptions_autosubscription (id, owner_id, listener_id, event_name)
SELECT pg_temp.seed_id('asub', u, %(salt)s), owner_id, id, '$errors' FROM seed_hook WHERE r = 0
ON CONFLICT DO NOTHING
"""

# Requests that wait for sources that are paused, and operations that are done.
WAITING = """
INSERT INTO mailbox (source_id, cause, key, cause_at, due_at, queued_at, payload)
SELECT l.id, 'manual', md5(i::text || l.k), app_now(), app_now(), app_now(), '{"number":1}'
FROM generate_series(1, %(waiting)s) AS i JOIN seed_live l
  ON l.k = floor(power(i / (%(waiting)s + 1.0), 3) * (SELECT count(*) FROM seed_live))
WHERE NOT l.http;
INSERT INTO operation (kind, state, source_id, owner_id, args, result, attempt, token, created_at,
  ended_at)
SELECT 'update', CASE WHEN k %% 9 = 0 THEN 'failed' ELSE 'done' END, id, owner_id, '{}', '{}', 1, 0,
  app_now() - interval '1 hour', app_now() - interval '59 minutes'
FROM seed_live WHERE k < 10000;
DROP TABLE seed_user, seed_component, seed_source, seed_live, seed_run, seed_hook
"""

STEPS = {
    "users": USERS,
    "components": COMPONENTS,
    "sources": SOURCES,
    "their ledger and timers": LEDGER,
    "runs": RUNS,
    "events": EVENTS,
    "webhooks, deliveries and subscriptions": LISTENERS,
    "mailboxes and operations": WAITING,
}
