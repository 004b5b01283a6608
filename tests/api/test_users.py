"""GET /users/me: REST specification 5.1."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import connection

from apps.accounts.models import UNLIMITED, UsageDay, UsageDelta
from tests.api.conftest import Api


def test_5_1_fields_and_their_order(alice: Api) -> None:
    data = alice.json("/users/me")["data"]
    assert list(data) == [
        "id",
        "username",
        "email",
        "admin",
        "api_key",
        "daily_compute_time_quota",
        "daily_compute_time_used",
        "daily_invocations_quota",
        "daily_invocations_used",
    ]
    assert data["id"] == alice.user.id
    assert data["username"] == "alice"
    assert data["email"] == "alice@example.org"
    assert data["admin"] is False


def test_5_1_api_key_is_the_one_presented_and_can_be_hidden(alice: Api) -> None:
    assert alice.json("/users/me")["data"]["api_key"] == alice.key
    assert "api_key" not in alice.json("/users/me?exclude=api_key")["data"]
    assert alice.get("/users/me")["Cache-Control"] == "no-store"


def test_5_1_unlimited_is_an_integer(alice: Api) -> None:
    data = alice.json("/users/me")["data"]
    assert data["daily_compute_time_quota"] == UNLIMITED == 2**53 - 1
    assert data["daily_invocations_quota"] == UNLIMITED


def test_5_1_used_is_the_total_of_the_utc_day_and_what_is_not_rolled_up(
    alice: Api, bob: Api
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT app_now()")
        row = cursor.fetchone()
    assert row is not None
    now: datetime = row[0]
    today, yesterday = now.astimezone(UTC).date(), (now - timedelta(days=1)).astimezone(UTC).date()
    mine, other = alice.user.id, bob.user.id
    UsageDay.objects.create(user_id=mine, day=today, compute_ms=1000, invocations=3)
    UsageDay.objects.create(user_id=mine, day=yesterday, compute_ms=7777, invocations=77)
    UsageDelta.objects.create(user_id=mine, day=today, compute_ms=20, invocations=1)
    UsageDelta.objects.create(user_id=mine, day=today, compute_ms=3, invocations=1)
    UsageDelta.objects.create(user_id=other, day=today, compute_ms=50_000, invocations=50)
    data = alice.json("/users/me")["data"]
    assert data["daily_compute_time_used"] == 1023
    assert data["daily_invocations_used"] == 5
