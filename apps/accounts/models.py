"""Who calls: users, their API keys, and what they have used today."""

from __future__ import annotations

from functools import partial

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator, URLValidator
from django.db import models

from apps.accounts import scopes
from apps.core.clock import AppNow
from apps.core.ids import new_id

# 2^53 - 1: "unlimited" as an integer every JSON reader can hold (REST specification 5.1).
UNLIMITED = 9_007_199_254_740_991


class User(AbstractUser):
    """A person or service that owns sources. `id` is `u_…`."""

    id = models.CharField(
        primary_key=True, max_length=16, db_collation="C", default=partial(new_id, "u")
    )
    daily_compute_time_quota = models.BigIntegerField(default=UNLIMITED, help_text="milliseconds")
    daily_invocations_quota = models.BigIntegerField(default=UNLIMITED)


class ApiKey(models.Model):
    """A key of the REST API: only its SHA-256 and its first characters are kept.

    `public_id` is what the API calls it. After `expires_at` it is as good as revoked. `scopes`: see
    `apps.accounts.scopes`.
    """

    public_id = models.CharField(
        max_length=16, db_collation="C", unique=True, default=partial(new_id, "key")
    )
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100, blank=True)
    prefix = models.CharField(max_length=16)
    sha256 = models.BinaryField(max_length=32, unique=True)
    scopes = ArrayField(models.CharField(max_length=16), default=scopes.full)
    created_at = models.DateTimeField(db_default=AppNow())
    last_used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["prefix"], name="api_key_prefix", opclasses=["varchar_pattern_ops"]
            )
        ]

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.user_id})"


class Account(models.Model):
    """A connected account: a user's credentials at the service that an app stands for.

    credentials  JSON object, encrypted (`apps.core.secrets`): exactly the names that `$auth` shows.
                 Empty text once the account is deleted; the row stays, so that its id is never
                 given again and cursors go on working.
    version      rises with every change of the credentials
    """

    id = models.CharField(
        primary_key=True, max_length=16, db_collation="C", default=partial(new_id, "apn")
    )
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="accounts")
    app_slug = models.CharField(max_length=64, db_collation="C")
    name = models.CharField(max_length=255)
    credentials = models.TextField()
    version = models.IntegerField(default=1)
    created_at = models.DateTimeField(db_default=AppNow())
    updated_at = models.DateTimeField(db_default=AppNow())
    deleted_at = models.DateTimeField(null=True, blank=True)
    # Of accounts that were connected by OAuth; null and empty for others. See
    # `apps.accounts.renewing`.
    expires_at = models.DateTimeField(null=True, blank=True)
    refresh_at = models.DateTimeField(null=True, blank=True)
    refreshing_until = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, default="")

    class Meta:
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="account_listing"),
            models.Index(fields=["-created_at", "-id"], name="account_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"


HTTPS = URLValidator(schemes=["https"], message="an https address")
SLUG = RegexValidator(r"\A[A-Za-z0-9_][A-Za-z0-9_-]{0,63}\Z", "as in github or google_drive")


class OAuthClient(models.Model):
    """How this platform is known to the provider behind an app: the operator's settings, made in
    the admin. `client_secret` is encrypted; without one the client is a public one.

    fields       `$auth` name → dotted path in the provider's answers (token, then profile), for
                 what is wanted besides the tokens: `{"oauth_uid": "user.id"}`
    parameters   more query parameters of the authorization request: `{"access_type": "offline"}`
    """

    class TokenAuth(models.TextChoices):
        BASIC = "basic", "HTTP Basic"
        POST = "post", "in the body"

    app_slug = models.CharField(max_length=64, db_collation="C", unique=True, validators=[SLUG])
    authorize_url = models.CharField(max_length=2048, validators=[HTTPS])
    token_url = models.CharField(max_length=2048, validators=[HTTPS])
    client_id = models.CharField(max_length=512)
    client_secret = models.TextField(blank=True, default="")
    token_auth = models.CharField(
        max_length=8,
        choices=TokenAuth.choices,
        default=TokenAuth.BASIC,
        help_text="how the client shows its secret at the token URL",
    )
    scopes = models.CharField(max_length=2048, blank=True, help_text="separated by spaces")
    parameters = models.JSONField(default=dict, blank=True)
    pkce = models.BooleanField("PKCE", default=True)
    profile_url = models.CharField(max_length=2048, blank=True, validators=[HTTPS])
    fields = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=AppNow())

    class Meta:
        verbose_name = "OAuth client"

    def __str__(self) -> str:
        return self.app_slug


class Connecting(models.Model):
    """Somebody's way through a provider's consent (`apps.accounts.connecting`)."""

    class Stage(models.TextChoices):
        OFFERED = "offered"
        OPENED = "opened"
        USED = "used"

    ticket = models.BinaryField(max_length=32, unique=True)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    app_slug = models.CharField(max_length=64, db_collation="C")
    name = models.CharField(max_length=255, blank=True)
    # The account that is connected again; null: a new one.
    account = models.ForeignKey(Account, null=True, on_delete=models.CASCADE, related_name="+")
    stage = models.CharField(max_length=8, choices=Stage.choices, default=Stage.OFFERED)
    state = models.BinaryField(max_length=32, null=True, unique=True)
    browser = models.BinaryField(max_length=32, null=True)
    verifier = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=AppNow())
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.app_slug} for {self.owner_id}"


class UsageDay(models.Model):
    """Totals of one user on one UTC day, rolled up from `UsageDelta` by the sweeper (F15)."""

    user_id = models.CharField(max_length=16, db_collation="C")
    day = models.DateField()
    compute_ms = models.BigIntegerField(default=0)
    invocations = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user_id", "day"], name="usage_day_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.day}"


class UsageDelta(models.Model):
    """Appended by each commit, one row a user, so that no commit waits for another (F15)."""

    user_id = models.CharField(max_length=16, db_collation="C", db_index=True)
    day = models.DateField()
    compute_ms = models.BigIntegerField()
    invocations = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.user_id} {self.day}"
