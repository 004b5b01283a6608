"""Wrong passwords at the admin: the user is locked out at that address, and nobody else."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessLog
from django.conf import settings as platform
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.test import Client

from apps.accounts import logins, services
from apps.core.clock import app_now

PASSWORD = "correct horse battery staple"
LOGIN = "/admin/login/"


@pytest.fixture(autouse=True)
def _root(db: None, settings: Any) -> None:
    # Passwords are compared some eighty times here.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    services.create_user("root", admin=True, password=PASSWORD)


def log_in(password: str = PASSWORD, username: str = "root", **more: str) -> Any:
    return Client().post(LOGIN, {"username": username, "password": password}, **more)  # type: ignore[arg-type]


def lock(**more: str) -> None:
    statuses = [log_in("wrong", **more).status_code for _ in range(5)]
    assert statuses == [200] * 4 + [429]


def test_the_fifth_wrong_password_locks_and_then_the_right_one_is_refused_too() -> None:
    lock()
    refused = log_in()
    assert refused.status_code == 429
    assert refused["Retry-After"] == "900"
    assert refused["Cache-Control"] == "no-store"
    assert "sessionid" not in refused.cookies
    assert "15 minutes" in refused.content.decode()


def test_a_login_leads_to_the_admin() -> None:
    assert log_in()["Location"] == "/admin/"


def test_others_and_other_addresses_are_not_locked() -> None:
    services.create_user("ada", admin=True, password=PASSWORD)
    lock()
    assert log_in(username="ada").status_code == 302
    assert log_in(REMOTE_ADDR="192.0.2.1").status_code == 302
    assert log_in().status_code == 429
    # Of IPv6 one client has a whole network.
    lock(REMOTE_ADDR="2001:db8::1")
    assert log_in(REMOTE_ADDR="2001:db8::ffff").status_code == 429
    assert log_in(REMOTE_ADDR="2001:db8:0:1::1").status_code == 302
    # Through a socket file, say.
    lock(REMOTE_ADDR="")
    assert log_in(REMOTE_ADDR="").status_code == 429


def test_another_browser_does_not_help() -> None:
    for n in range(5):
        log_in("wrong", HTTP_USER_AGENT=f"browser {n}")
    assert log_in(HTTP_USER_AGENT="yet another").status_code == 429


def test_one_name_after_the_other_locks_the_address_and_keeps_few_rows() -> None:
    statuses = [log_in("wrong", f"name-{n}").status_code for n in range(60)]
    assert statuses == [200] * 50 + [429] * 10
    assert AccessAttempt.objects.count() == 50
    assert log_in().status_code == 429
    assert log_in(REMOTE_ADDR="192.0.2.1").status_code == 302
    AccessAttempt.objects.update(attempt_time=app_now() - timedelta(seconds=901))
    assert log_in().status_code == 302


def test_forwarded_for_does_not_help() -> None:
    for n in range(5):
        log_in("wrong", HTTP_X_FORWARDED_FOR=f"192.0.2.{n}")
    assert log_in(HTTP_X_FORWARDED_FOR="192.0.2.99").status_code == 429


def test_an_unknown_user_is_answered_alike() -> None:
    services.create_user("no-password", admin=True)
    answers = []
    for name in ("root", "nobody", "no-password"):
        answers.append([log_in("wrong", name).content for _ in range(6)])
    pages = [[re.sub(rb'value="[^"]*"', b"", page) for page in pages] for pages in answers]
    assert pages[0][0] == pages[1][0].replace(b"nobody", b"root")
    assert pages[0][4:] == pages[1][4:] == pages[2][4:]


def test_a_right_password_begins_the_count_anew() -> None:
    for _ in range(3):
        for _ in range(4):
            assert log_in("wrong").status_code == 200
        assert log_in().status_code == 302


def test_the_lock_ends_by_itself_and_attempts_meanwhile_neither_prolong_it_nor_are_kept() -> None:
    lock()
    before = list(AccessAttempt.objects.values())
    for n in range(10):
        assert log_in("wrong", HTTP_USER_AGENT=f"browser {n}").status_code == 429
    assert list(AccessAttempt.objects.values()) == before
    AccessAttempt.objects.update(attempt_time=app_now() - timedelta(seconds=901))
    assert log_in().status_code == 302
    assert not AccessAttempt.objects.exists()


def test_keys_work_on_while_their_user_is_locked_out() -> None:
    user = services.create_user("ada", admin=True, password=PASSWORD)
    key = services.create_key(user)[1]
    for _ in range(6):
        log_in("wrong", "ada")
    assert log_in(username="ada").status_code == 429
    response = Client().get("/v1/users/me", headers={"authorization": f"Bearer {key}"})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "command",
    [("axes_reset",), ("axes_reset_username", "root"), ("axes_reset_ip", "127.0.0.1")],
    ids=lambda command: command[0],
)
def test_the_operator_unlocks_by_command(command: tuple[str, ...]) -> None:
    lock()
    call_command(*command)
    assert log_in().status_code == 302


def test_the_operator_unlocks_in_the_admin_where_no_password_is_shown() -> None:
    log_in("hunter22")
    lock_address = {"REMOTE_ADDR": "192.0.2.7"}
    lock(**lock_address)
    client = Client()
    client.post(LOGIN, {"username": "root", "password": PASSWORD})
    listed = client.get("/admin/axes/accessattempt/")
    assert b"192.0.2.7" in listed.content
    row = AccessAttempt.objects.get(ip_address="192.0.2.7")
    shown = client.get(f"/admin/axes/accessattempt/{row.pk}/change/")
    assert shown.status_code == 200
    assert b"hunter22" not in listed.content + shown.content
    assert b"csrfmiddlewaretoken=" not in shown.content
    assert not AccessAttempt.objects.filter(post_data__contains="hunter22").exists()
    client.post("/admin/axes/accessattempt/", {"action": "unlock", "_selected_action": [row.pk]})
    assert log_in(**lock_address).status_code == 302
    assert client.get("/admin/axes/accesslog/").content.count(b"192.0.2.7") > 0


def test_what_is_old_is_forgotten() -> None:
    log_in()
    log_in("wrong")
    logins.forget_old()
    counts = [model.objects.count() for model in (Session, AccessAttempt, AccessLog)]
    assert counts == [1, 1, 1]
    Session.objects.update(expire_date=app_now() - timedelta(seconds=1))
    AccessAttempt.objects.update(attempt_time=app_now() - platform.AXES_COOLOFF_TIME)
    AccessLog.objects.update(attempt_time=app_now() - timedelta(days=91))
    logins.forget_old()
    assert [model.objects.count() for model in (Session, AccessAttempt, AccessLog)] == [0, 0, 0]


@pytest.mark.parametrize(
    "password", ["short", "eleven-char", "password1234", "123456789012345", "rootrootroot"]
)
def test_weak_passwords_are_refused(password: str) -> None:
    user = services.create_user("rootrootroot2")
    with pytest.raises(ValidationError):
        validate_password(password, user)
    validate_password(PASSWORD, user)
