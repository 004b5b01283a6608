"""`app_now()`: the one clock (F21). STABLE, so that an index on a due time can be used, and
inlined to `statement_timestamp()`, so that it costs nothing; tests replace its body."""

from django.db import migrations


class Migration(migrations.Migration):
    initial = True
    dependencies: list[tuple[str, str]] = []
    operations = [
        migrations.RunSQL(
            "CREATE FUNCTION app_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE"
            " AS 'SELECT statement_timestamp()'",
            "DROP FUNCTION app_now()",
        )
    ]
