"""`manage.py sandbox_check` in the places where the platform is run: as root, as an ordinary user,
in a container as Docker makes them (no user namespaces, default profile, few capabilities)."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.api.management.commands import sandbox_check
from tests.processes import ROOT, free_port, inherited
from workers.runtime.attacks import CATALOGUE
from workers.runtime.attacks.model import Attack

PLACE = Path(__file__).with_name("place.py")
UID = "54321"
LANDLOCK = "444"

PLACES = {
    "root": [],
    "root-without-capabilities": ["--capabilities", "0"],
    "container": ["--docker", "--capabilities", "a80425fb"],
    "container-without-capabilities": ["--docker", "--capabilities", "0"],
    "ordinary-user": ["--uid", UID],
    "ordinary-user-in-a-container": ["--docker", "--capabilities", "a80425fb", "--uid", UID],
}
FEW = (
    "read-a-secret", "environ-of-the-parent", "write-outside", "loopback-v4", "redirect",
    "connect-race", "unix-socket", "fork-bomb", "kill-the-parent", "daemon", "private-memory",
)  # fmt: skip
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make such places")


def run_in(place: list[str], data: Path, *command: str, **given: str):
    environment = {**os.environ, "HEADWATER_DATA": str(data), **given}
    return subprocess.run(
        [sys.executable, PLACE, *place, "--", *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
    )


@pytest.fixture
def data() -> Iterator[Path]:
    """Not below pytest's own directory, which is closed to other users at each start of a pytest."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        path = Path(directory, "data")
        path.mkdir()
        yield path


def check(place: str, data: Path, *attacks: str) -> str:
    if "--uid" in PLACES[place]:
        os.chown(data, int(UID), int(UID))
    done = run_in(PLACES[place], data, sys.executable, "manage.py", "sandbox_check", *attacks)
    assert done.returncode == 0, done.stdout + done.stderr
    tried = [a for a in CATALOGUE if not attacks or a.name in attacks]
    pairs = [f"{a.name} {language}" for a in tried for language in a.languages]
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert [line for line in lines if line.endswith(" stopped")][: len(pairs)] == [
        f"{pair} stopped" for pair in pairs
    ]
    assert lines[-1] == f"{len(pairs)} attacks, all stopped"
    return done.stdout


@as_root
@pytest.mark.parametrize("place", PLACES)
def test_the_wall_stands(place: str, data: Path) -> None:
    told = check(place, data, *FEW)
    assert " NO " not in told
    identity = next(line for line in told.splitlines() if line.startswith("identity"))
    if "user" in place:
        assert f"uid {UID} without capabilities" in identity
    elif "without" in place:
        assert "uid 0 without capabilities" in identity


@as_root
@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_the_wall_stops_all_attacks(place: str, data: Path) -> None:
    check(place, data)


@as_root
def test_without_landlock_the_check_says_so(data: Path) -> None:
    done = run_in(["--without", LANDLOCK], data, sys.executable, "manage.py", "sandbox_check")
    assert done.returncode == 2, done
    assert "the wall cannot be put up" in done.stderr
    assert "Landlock is missing" in done.stderr
    assert len(done.stderr.splitlines()) == 1


WORKER = """
import logging, signal, django
django.setup()
from workers.hosts import RunnerHost
RunnerHost(lambda: True).start()
signal.sigtimedwait([signal.SIGUSR1], 90)
"""


@as_root
def test_a_worker_without_a_wall_refuses_to_start(
    data: Path, server_environment: dict[str, str]
) -> None:
    given = {**server_environment, "DJANGO_SETTINGS_MODULE": "config.settings"}
    done = run_in(["--without", LANDLOCK], data, sys.executable, "-c", WORKER, **given)
    assert done.returncode == os.EX_UNAVAILABLE, done
    told = [line for line in done.stderr.splitlines() if "refuses to start" in line]
    assert len(told) == 1, done.stderr
    assert "Landlock is missing" in told[0]
    assert "SANDBOX=unsafe" in told[0]
    assert "Traceback" not in done.stderr


@as_root
@pytest.mark.slow
def test_a_stack_whose_workers_refuse_says_why_and_ends(data: Path) -> None:
    environment = inherited(HEADWATER_DATA=str(data), PORT=str(free_port()), WORKERS="1")
    done = subprocess.run(
        [sys.executable, PLACE, "--without", LANDLOCK, "--", sys.executable, "-m", "stack", "run"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 1, done
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "worker1 does not start" in error
    assert "Landlock is missing" in error
    assert "ready:" not in done.stdout


def test_what_gets_through_is_told(monkeypatch: pytest.MonkeyPatch, settings, tmp_path) -> None:
    """No wall can stop what is allowed: an attack that does only this is seen."""
    allowed = Attack("allowed", "write where it may", python='attempt("own", lambda: open("x", "w"))')
    monkeypatch.setattr(sandbox_check, "CATALOGUE", (allowed,))
    settings.DATA_DIR, out = tmp_path, io.StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("sandbox_check", stdout=out)
    assert caught.value.code == 1
    assert "GOT THROUGH: own: " in out.getvalue()
    assert "1 attacks, 1 NOT stopped" in out.getvalue()


def test_the_list_and_a_name_that_is_not_there() -> None:
    out = io.StringIO()
    call_command("sandbox_check", "--list", stdout=out)
    assert all(attack.name in out.getvalue() for attack in CATALOGUE)
    with pytest.raises(CommandError, match="no such attack: nonsense"):
        call_command("sandbox_check", "nonsense")
