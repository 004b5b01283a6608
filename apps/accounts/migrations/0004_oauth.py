import apps.core.clock
import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_account"),
    ]

    operations = [
        migrations.CreateModel(
            name="OAuthClient",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "app_slug",
                    models.CharField(
                        db_collation="C",
                        max_length=64,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[A-Za-z0-9_][A-Za-z0-9_-]{0,63}\\Z",
                                "as in github or google_drive",
                            )
                        ],
                    ),
                ),
                (
                    "authorize_url",
                    models.CharField(
                        max_length=2048,
                        validators=[
                            django.core.validators.URLValidator(
                                message="an https address", schemes=["https"]
                            )
                        ],
                    ),
                ),
                (
                    "token_url",
                    models.CharField(
                        max_length=2048,
                        validators=[
                            django.core.validators.URLValidator(
                                message="an https address", schemes=["https"]
                            )
                        ],
                    ),
                ),
                ("client_id", models.CharField(max_length=512)),
                ("client_secret", models.TextField(blank=True, default="")),
                (
                    "token_auth",
                    models.CharField(
                        choices=[("basic", "HTTP Basic"), ("post", "in the body")],
                        default="basic",
                        help_text="how the client shows its secret at the token URL",
                        max_length=8,
                    ),
                ),
                (
                    "scopes",
                    models.CharField(blank=True, help_text="separated by spaces", max_length=2048),
                ),
                ("parameters", models.JSONField(blank=True, default=dict)),
                ("pkce", models.BooleanField(default=True, verbose_name="PKCE")),
                (
                    "profile_url",
                    models.CharField(
                        blank=True,
                        max_length=2048,
                        validators=[
                            django.core.validators.URLValidator(
                                message="an https address", schemes=["https"]
                            )
                        ],
                    ),
                ),
                ("fields", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField(db_default=apps.core.clock.AppNow())),
            ],
            options={
                "verbose_name": "OAuth client",
            },
        ),
        migrations.AddField(
            model_name="account",
            name="error",
            field=models.TextField(blank=True, default=""),
        ),
        migrations.AddField(
            model_name="account",
            name="expires_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="account",
            name="refresh_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="account",
            name="refreshing_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="account",
            name="retry_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.CreateModel(
            name="Connecting",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("ticket", models.BinaryField(max_length=32, unique=True)),
                ("app_slug", models.CharField(db_collation="C", max_length=64)),
                ("name", models.CharField(blank=True, max_length=255)),
                (
                    "stage",
                    models.CharField(
                        choices=[("offered", "Offered"), ("opened", "Opened"), ("used", "Used")],
                        default="offered",
                        max_length=8,
                    ),
                ),
                ("state", models.BinaryField(max_length=32, null=True, unique=True)),
                ("browser", models.BinaryField(max_length=32, null=True)),
                ("verifier", models.TextField(blank=True, default="")),
                ("created_at", models.DateTimeField(db_default=apps.core.clock.AppNow())),
                ("expires_at", models.DateTimeField()),
                (
                    "account",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
    ]
