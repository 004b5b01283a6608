"""Words of a component for the search, kept beside it, and trigrams for mistyped ones.

pg_trgm is a trusted extension: the owner of the database may create it, no superuser is needed.
"""

from django.db import migrations

WORDS = """
ALTER TABLE components_component ADD COLUMN words tsvector GENERATED ALWAYS AS (
  setweight(to_tsvector('english', translate(coalesce(key, ''), '-_./', '    ')), 'A')
  || setweight(to_tsvector('english', name), 'A')
  || setweight(to_tsvector('english', left(coalesce(description, ''), 5000)), 'B')
) STORED
"""


class Migration(migrations.Migration):

    dependencies = [("components", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "CREATE EXTENSION IF NOT EXISTS pg_trgm", migrations.RunSQL.noop
        ),
        migrations.RunSQL(WORDS, "ALTER TABLE components_component DROP COLUMN words"),
    ]
