"""Users, keys, and the day's usage."""

from __future__ import annotations

from datetime import date

import pytest
from django.db import IntegrityError, connection

from apps.accounts import keys, services
from apps.accounts.models import ApiKey, UsageDay, UsageDelta, User
from apps.core.ids import ALPHABET


def test_form_of_a_key() -> None:
    key = keys.generate()
    assert key.startswith("hw_")
    assert len(key) == 3 + 32 + 6
    assert all(character in ALPHABET for character in key[3:])
    assert keys.well_formed(key)
    assert keys.generate() != key


@pytest.mark.parametrize("position", [0, 3, 20, 35, 40])
def test_a_changed_character_is_noticed(position: int) -> None:
    key = keys.generate()
    other = "x" if key[position] != "x" else "y"
    assert not keys.well_formed(key[:position] + other + key[position + 1 :])


def test_other_texts_are_no_keys() -> None:
    key = keys.generate()
    for text in ("", "hw_", key[:-1], key + "0", key.upper(), "ü" * 41, key[:-1] + "\0"):
        assert not keys.well_formed(text)


def test_only_a_hash_and_the_first_characters_are_stored(db: None) -> None:
    user = services.create_user("ada")
    row, key = services.create_key(user, "laptop")
    stored = ApiKey.objects.get(id=row.id)
    assert stored.name == "laptop"
    assert stored.prefix == key[:11]
    assert bytes(stored.sha256) == keys.digest(key)
    with connection.cursor() as cursor:
        cursor.execute("SELECT accounts_apikey::text FROM accounts_apikey")
        rows = cursor.fetchall()
    assert all(key[11:] not in text for (text,) in rows)


def test_authenticate_gives_the_whole_user(db: None) -> None:
    user = services.create_user("ada", "ada@example.org", admin=True, password="pw")
    key = services.create_key(user)[1]
    caller = services.authenticate(key)
    assert caller is not None
    assert (caller.user, caller.key, caller.scopes) == (user, key, ("*",))
    found = caller.user
    for field in User._meta.concrete_fields:
        assert getattr(found, field.attname) == getattr(
            User.objects.get(id=user.id), field.attname
        ) or field.attname in ("last_login",)
    assert found.check_password("pw")


def test_authenticate_refuses_revoked_and_unknown_keys_and_disabled_users(db: None) -> None:
    user = services.create_user("ada")
    row, key = services.create_key(user)
    assert services.authenticate(keys.generate()) is None
    assert services.revoke_key(row) is True
    assert services.revoke_key(row) is False
    assert services.authenticate(key) is None
    _, key = services.create_key(user)
    user.is_active = False
    user.save()
    assert services.authenticate(key) is None


def test_user_names_are_unique(db: None) -> None:
    services.create_user("ada")
    with pytest.raises(IntegrityError):
        services.create_user("ada")
    assert User.objects.filter(username="ada").count() == 1


def test_user_without_a_password_logs_in_nowhere(db: None) -> None:
    user = services.create_user("ada")
    assert user.id.startswith("u_")
    assert not user.has_usable_password()
    assert not user.is_staff


def test_usage_of_today_adds_totals_and_deltas(db: None) -> None:
    user = services.create_user("ada")
    with connection.cursor() as cursor:
        cursor.execute("SELECT (app_now() AT TIME ZONE 'UTC')::date")
        row = cursor.fetchone()
    assert row is not None
    today: date = row[0]
    assert services.usage_today(user) == services.Usage(0, 0)
    UsageDelta.objects.create(user_id=user.id, day=today, compute_ms=5, invocations=1)
    UsageDay.objects.create(user_id=user.id, day=today, compute_ms=100, invocations=2)
    UsageDay.objects.create(user_id=user.id, day=date(2020, 1, 1), compute_ms=9, invocations=9)
    assert services.usage_today(user) == services.Usage(105, 3)


def test_f21_the_day_is_that_of_the_database_clock(db: None) -> None:
    """At 00:00 UTC the counters begin anew."""
    user = services.create_user("ada")
    UsageDay.objects.create(user_id=user.id, day=date(2030, 1, 1), compute_ms=7, invocations=1)
    with connection.cursor() as cursor:
        for moment, used in (("2030-01-01 23:59:59.9+00", 7), ("2030-01-02 00:00+00", 0)):
            cursor.execute(
                "CREATE OR REPLACE FUNCTION app_now() RETURNS timestamptz LANGUAGE sql STABLE"
                f" AS $$ SELECT '{moment}'::timestamptz $$"
            )
            assert services.usage_today(user).compute_ms == used
