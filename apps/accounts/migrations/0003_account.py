import functools

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import apps.core.clock
import apps.core.ids


class Migration(migrations.Migration):

    dependencies = [("accounts", "0002_keys")]

    operations = [
        migrations.CreateModel(
            name="Account",
            fields=[
                (
                    "id",
                    models.CharField(
                        db_collation="C",
                        default=functools.partial(apps.core.ids.new_id, "apn"),
                        max_length=16,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("app_slug", models.CharField(db_collation="C", max_length=64)),
                ("name", models.CharField(max_length=255)),
                ("credentials", models.TextField()),
                ("version", models.IntegerField(default=1)),
                ("created_at", models.DateTimeField(db_default=apps.core.clock.AppNow())),
                ("updated_at", models.DateTimeField(db_default=apps.core.clock.AppNow())),
                ("deleted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="accounts",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["owner", "-created_at", "-id"], name="account_listing")
                ],
            },
        ),
    ]
