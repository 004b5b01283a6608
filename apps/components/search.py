"""Finding components by words (REST specification 5.2).

Two measures, each 0 to 1. `overlap`: the part of the asked words (stems, stop words left out) that
the component has; one that only its description has counts 0.6. `similarity`: how much of each
asked word key or name hold by trigrams, on average, so that mistyped and half words find something.
The score is 0.7 of the greater and 0.3 of the lesser.

Every component of the registry and the newest 2,000 of the caller's own are scored, without an
index: some 30 microseconds for each asked word and component.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import orjson
from django.db import connection

from apps.accounts.models import User
from apps.components.services import BUILTIN

DEFAULT_THRESHOLD = 0.3
MOST = 100
OWN_MOST = 2000
WORDS = 10
# A backslash would quote inside a tsquery.
_NO_WORD = re.compile(r"[-_./\\]")

# Of each key what `GET /components/{key}` shows, else what the registry does.
_SEARCH = """
WITH asked AS MATERIALIZED (
  SELECT (SELECT array_agg((quote_literal(lexeme) || ':A')::tsquery ORDER BY lexeme)
          FROM unnest(to_tsvector('english', %(text)s))) AS strong,
         (SELECT array_agg(quote_literal(lexeme)::tsquery ORDER BY lexeme)
          FROM unnest(to_tsvector('english', %(text)s))) AS weak
), visible AS (
  SELECT DISTINCT ON (coalesce(key, id)) id, coalesce(key, id) AS key, key AS own_key, words, props,
         concat_ws(' ', name, translate(key, '-_./', '    ')) AS title
  FROM (SELECT * FROM components_component WHERE owner_id IS NULL
        UNION ALL
        (SELECT * FROM components_component WHERE owner_id = %(owner)s
         ORDER BY created_at DESC, id DESC LIMIT %(own_most)s)) AS candidate
  ORDER BY coalesce(key, id), owner_id NULLS LAST, origin = %(builtin)s DESC, updated_at DESC,
           created_at DESC, id DESC
), measured AS (
  SELECT v.id, v.key,
         coalesce((SELECT avg(CASE WHEN v.words @@ in_title THEN 1.0
                                   WHEN v.words @@ anywhere THEN 0.6 ELSE 0 END)
                   FROM unnest(a.strong, a.weak) AS asked_for(in_title, anywhere)), 0)::float8
           AS overlap,
         coalesce((SELECT avg(word_similarity(word, v.title))
                   FROM unnest(%(words)s::text[]) AS word), 0)::float8 AS similarity
  FROM visible v CROSS JOIN asked a
  WHERE %(app)s::text IS NULL OR starts_with(v.own_key, %(app)s || '-')
        OR position(%(app_prop)s IN v.props) > 0
)
SELECT * FROM (
  SELECT id, key, overlap, similarity,
         0.7 * greatest(overlap, similarity) + 0.3 * least(overlap, similarity) AS score
  FROM measured) AS scored
WHERE score >= %(threshold)s AND score > 0 ORDER BY score DESC, key LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class Found:
    """`key` is the id for a component without one."""

    id: str
    key: str
    overlap: float
    similarity: float
    score: float


def search(
    user: User, query: str, *, app: str | None = None, threshold: float = DEFAULT_THRESHOLD
) -> list[Found]:
    """Own components and those of the registry, best first; of several with one key, one.

    `app` keeps those whose key begins with its slug and those that have a prop of it. Of `query`
    the first ten words count.
    """
    words = list(dict.fromkeys(_NO_WORD.sub(" ", query).lower().split()))[:WORDS]
    values = {
        "words": words,
        "text": " ".join(words),
        "owner": user.id,
        "builtin": BUILTIN,
        "app": app,
        # As `CompactJSONField` writes it.
        "app_prop": b'"app":%b' % orjson.dumps(app),
        "threshold": threshold,
        "most": MOST,
        "own_most": OWN_MOST,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SEARCH, values)
        return [Found(*row) for row in cursor.fetchall()]
