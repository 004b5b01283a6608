"""`manage.py bootstrap`: what is missing is made, what is there is left alone."""

from __future__ import annotations

import stat
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.accounts import services as accounts
from apps.accounts.models import ApiKey, User
from apps.components import registry
from apps.runs.models import Operation

pytestmark = pytest.mark.django_db


@pytest.fixture
def data(tmp_path: Path, settings: Any) -> Path:
    settings.DATA_DIR = tmp_path / "data"
    return tmp_path / "data"


def bootstrap() -> str:
    out = StringIO()
    call_command("bootstrap", stdout=out)
    return out.getvalue()


def test_a_fresh_installation(data: Path) -> None:
    said = bootstrap()
    admin = User.objects.get()
    assert admin.username == "admin"
    assert admin.is_superuser
    password, key = ((data / name).read_text().strip() for name in ("admin_password", "api_key"))
    assert admin.check_password(password)
    assert accounts.authenticate(key) == accounts.Caller(admin, key, ("*",))
    for name in ("admin_password", "api_key"):
        assert stat.S_IMODE((data / name).stat().st_mode) == 0o600
        assert str(data / name) in said
    assert password not in said
    assert key not in said
    for builtin in registry.builtins():
        assert builtin.file in said


def test_the_second_start_changes_nothing(data: Path) -> None:
    bootstrap()
    before = {path.name: path.read_text() for path in data.iterdir()}
    assert all(line.startswith("registry: ") for line in bootstrap().splitlines())
    Operation.objects.update(state="done", result={})
    assert bootstrap().count("registry: ") == len(list(registry.builtins())), "none was stored"
    assert {path.name: path.read_text() for path in data.iterdir()} == before
    assert (User.objects.count(), ApiKey.objects.count()) == (1, 1)


def test_only_what_is_missing_is_made(data: Path) -> None:
    root = accounts.create_user("root", admin=True)
    data.mkdir()
    bootstrap()
    assert not (data / "admin_password").exists()
    caller = accounts.authenticate((data / "api_key").read_text().strip())
    assert caller is not None
    assert caller.user == root
    (data / "api_key").unlink()
    bootstrap()
    assert ApiKey.objects.count() == 2


def test_a_place_that_cannot_be_written(data: Path) -> None:
    data.parent.mkdir(exist_ok=True)
    data.write_text("a file, not a directory")
    with pytest.raises(CommandError, match="cannot write"):
        bootstrap()
    assert not User.objects.exists()


def test_waiting_for_the_registry(data: Path) -> None:
    bootstrap()
    with pytest.raises(CommandError, match="not loaded in 0 s"):
        call_command("bootstrap", wait=0.0)
    Operation.objects.update(state="done", result={})
    call_command("bootstrap", wait=0.0)
