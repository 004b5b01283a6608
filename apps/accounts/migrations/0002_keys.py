from functools import partial

from django.db import migrations, models

from apps.core.ids import new_id


def name_keys(apps, schema_editor):
    """An id for each key there is: none is so far, so six characters collide once in 10^9."""
    for key in apps.get_model("accounts", "ApiKey").objects.filter(public_id=None):
        key.public_id = new_id("key")
        key.save(update_fields=["public_id"])


class Migration(migrations.Migration):

    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="expires_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="apikey",
            name="public_id",
            field=models.CharField(db_collation="C", max_length=16, null=True),
        ),
        migrations.RunPython(name_keys, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="apikey",
            name="public_id",
            field=models.CharField(
                db_collation="C", default=partial(new_id, "key"), max_length=16, unique=True
            ),
        ),
    ]
