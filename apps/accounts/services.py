"""Users and their keys, the look-up that authenticates a call, and what was used today."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet
from psycopg.sql import SQL, Identifier

from apps.accounts import keys, scopes
from apps.accounts.models import ApiKey, User
from apps.core import errors
from apps.core.clock import AppNow

# `last_used_at` is written at most once in this time, so that reads do not turn into writes.
LAST_USED_GRAIN = timedelta(minutes=1)
_ID_TRIES = 5


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one user since 00:00 UTC: milliseconds of `run` and hooks, and how many were started."""

    compute_ms: int
    invocations: int


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, with which key (its text as it was sent), and what that key may do."""

    user: User
    key: str
    scopes: tuple[str, ...]


def create_user(
    username: str, email: str = "", *, admin: bool = False, password: str | None = None
) -> User:
    """A new user. Without a password nobody logs in to the admin as this user.

    Raises IntegrityError when the user name is taken.
    """
    for attempt in range(_ID_TRIES):
        user = User(username=username, email=email, is_staff=admin, is_superuser=admin)
        if password is None:
            user.set_unusable_password()
        else:
            user.set_password(password)
        try:
            with transaction.atomic():
                user.save(force_insert=True)
        except IntegrityError:
            taken = User.objects.filter(username=username).exists()
            if taken or attempt == _ID_TRIES - 1:
                raise
        else:
            return user
    raise AssertionError("unreachable")


def create_key(
    user: User,
    name: str = "",
    expires_at: datetime | None = None,
    allowed: Sequence[str] = (scopes.ALL,),
) -> tuple[ApiKey, str]:
    """A new key of `user`: the row and the key itself, which is not stored and shown only now.

    `allowed`: its scopes, as `apps.accounts.scopes.settled` has them.
    """
    for _ in range(_ID_TRIES):
        text = keys.generate()
        row = ApiKey(
            user=user,
            name=name,
            prefix=text[: keys.SHOWN],
            sha256=keys.digest(text),
            expires_at=expires_at,
            scopes=list(allowed),
        )
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError as error:
            if "public_id" not in str(error):
                raise
        else:
            row.refresh_from_db(fields=["created_at"])
            return row, text
    raise errors.unavailable("no free id of a key was found")


def live_keys(user: User) -> QuerySet[ApiKey]:
    """The keys that were not revoked, newest first; also those that have expired meanwhile."""
    return ApiKey.objects.filter(user=user, revoked_at=None).order_by("-created_at", "-id")


def revoke_key(key: ApiKey) -> bool:
    """From now on the key answers 401. False: it was revoked before."""
    changed = ApiKey.objects.filter(id=key.id, revoked_at=None).update(revoked_at=AppNow())
    return changed == 1


_USER_FIELDS = [field.attname for field in User._meta.concrete_fields]
# Written out, since every call of the API runs it: composing it in the ORM took a third of the
# time of a small request.
_AUTHENTICATE = (
    SQL("""
SELECT k.id, k.last_used_at IS NULL OR k.last_used_at < app_now() - make_interval(secs => %s),
       k.scopes, {columns}
FROM accounts_apikey k JOIN accounts_user u ON u.id = k.user_id
WHERE k.sha256 = %s AND k.revoked_at IS NULL AND u.is_active
  AND (k.expires_at IS NULL OR k.expires_at > app_now())
""")
    .format(columns=SQL(", ").join(Identifier("u", name) for name in _USER_FIELDS))
    .as_string(None)
)


def authenticate(text: str) -> Caller | None:
    """Whose live key this is, and what it may do. A key with a wrong checksum costs no query."""
    if not keys.well_formed(text):
        return None
    with connection.cursor() as cursor:
        cursor.execute(_AUTHENTICATE, [LAST_USED_GRAIN.total_seconds(), keys.digest(text)])
        row = cursor.fetchone()
    if row is None:
        return None
    key_id, stale, allowed, *values = row
    if stale:
        old = Q(last_used_at=None) | Q(last_used_at__lt=AppNow() - LAST_USED_GRAIN)
        ApiKey.objects.filter(old, id=key_id).update(last_used_at=AppNow())
    user = User.from_db(connection.alias, _USER_FIELDS, values)
    return Caller(user, text, tuple(allowed))


_USAGE = """
WITH day AS (SELECT (app_now() AT TIME ZONE 'UTC')::date AS today)
SELECT coalesce(sum(compute_ms), 0)::bigint, coalesce(sum(invocations), 0)::bigint FROM (
  SELECT u.compute_ms, u.invocations FROM accounts_usageday u JOIN day ON u.day = today
  WHERE u.user_id = %(user)s
  UNION ALL
  SELECT d.compute_ms, d.invocations FROM accounts_usagedelta d JOIN day ON d.day = today
  WHERE d.user_id = %(user)s
) AS used
"""


def usage_today(user: User) -> Usage:
    """The day's total and the deltas not yet rolled up (F15), read in one snapshot."""
    with connection.cursor() as cursor:
        cursor.execute(_USAGE, {"user": user.id})
        row = cursor.fetchone()
    assert row is not None
    return Usage(compute_ms=row[0], invocations=row[1])


_NOTE_USAGE = """
INSERT INTO accounts_usagedelta (user_id, day, compute_ms, invocations)
VALUES (%s, (app_now() AT TIME ZONE 'UTC')::date, %s, %s)
"""


def note_usage(user_id: str, compute_ms: int, invocations: int = 1) -> None:
    """Count what ran outside of any source, in the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(_NOTE_USAGE, [user_id, compute_ms, invocations])
