"""What the stack refuses, each with one line on standard error and exit code 1; and the places in
which it must work all the same."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from stack.identity import launch
from stack.places import Places
from stack.postgres import Postgres, binary
from stack.valkey import Valkey
from tests.processes import ROOT, STUB_PROJECT, Running
from tests.servers import Server

Start = Callable[..., Running]

WITHOUT_NAMESPACES = [
    *(sys.executable, str(ROOT / "tests/fixtures/without_namespaces.py")),
    *(sys.executable, "-m", "stack", "run", "--root", str(STUB_PROJECT)),
]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a stack on `<tmp_path>/data`, or the given `data`; all are ended after the test."""
    started: list[Running] = []

    def start_one(data: Path | None = None, **more: object) -> Running:
        started.append(Running(data or tmp_path / "data", **more))  # type: ignore[arg-type]
        return started[-1]

    yield start_one
    for running in started:
        running.close()


def refusal(running: Running) -> str:
    """The one line of a start that was refused."""
    assert running.wait(60) == 1, running.lines
    assert not any(line.startswith("ready:") for line in running.lines)
    errors = [line for line in running.errors if line.startswith("error: ")]
    assert len(errors) == 1, running.errors
    return errors[0]


def test_port_taken(start: Start) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        running = start(port=port)
        assert refusal(running).startswith(f"error: port {port} on 127.0.0.1 cannot be used")
    assert running.lines == []


@pytest.mark.parametrize(("name", "value"), [("PORT", "eighty"), ("PORT", "0"), ("WORKERS", "-1")])
def test_senseless_setting(start: Start, name: str, value: str) -> None:
    assert f"{name}={value}" in refusal(start(environment={name: value}))


def test_data_directory_not_writable(start: Start, tmp_path: Path) -> None:
    """A file in the way stops root too."""
    (tmp_path / "file").touch()
    data = tmp_path / "file/data"
    assert f"the data directory {data} cannot be written to" in refusal(start(data))


@pytest.mark.skipif(os.geteuid() == 0, reason="no mode stops root")
def test_data_directory_of_somebody_else(start: Start, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o500)
    assert f"the data directory {data} cannot be written to" in refusal(start())


def test_data_of_another_postgresql(start: Start, tmp_path: Path) -> None:
    cluster = tmp_path / "data/postgres"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("15\n")
    assert "was made by PostgreSQL 15 and this is PostgreSQL 18" in refusal(start())


def test_second_stack_on_the_same_data(start: Start) -> None:
    first = start().ready()
    assert f"already running on the data directory {first.data}" in refusal(start())
    assert first.stop() == 0


def test_program_that_cannot_start(start: Start, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/die-web").touch()
    running = start()
    assert "web does not start: web was told to die (log: " in refusal(running)
    assert "stopping postgres" in running.lines


def test_failed_migration(start: Start, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "manage.py").write_text("raise SystemExit('no such table')")
    (project / "Procfile").write_text("web: true\n")
    assert "manage.py release failed: no such table" in refusal(start(root=project))


@pytest.mark.parametrize("name", ["a path with spaces, ü and 100%", "long-" + "x" * 120])
def test_awkward_data_directories(start: Start, tmp_path: Path, name: str) -> None:
    """The second is too long for a socket file (107 bytes): the servers take loopback ports."""
    running = start(tmp_path / name).ready()
    environment = {"HEADWATER_DATA": str(running.data), "SECRET_KEY": "-"}
    script = (
        "from django.conf import settings as s; import redis, psycopg, kombu;"
        "print(psycopg.connect(s.DATABASE_URL).execute('SELECT 1').fetchone());"
        "print(redis.Redis.from_url(s.REDIS_URL).ping());"
        "kombu.Connection(s.BROKER_URL).ensure_connection(max_retries=1); print('broker')"
    )
    inherited = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "config.settings"}
    told = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
    )
    assert told.stdout == "(1,)\nTrue\nbroker\n", told.stderr
    assert running.stop() == 0


def test_external_servers_replace_the_embedded_ones(
    start: Start, postgres: Server, valkey: Server
) -> None:
    given = {"DATABASE_URL": postgres.url, "REDIS_URL": valkey.url}
    running = start(environment=given).ready()
    assert not (running.data / "postgres").exists()
    assert {p.environ()["PROCESS"] for p in running.supervisor.children()} == {
        "web", "scheduler", "worker1", "worker2",
    }  # fmt: skip
    assert running.stop() == 0


def test_servers_refuse_whoever_lacks_the_password(start: Start) -> None:
    """Socket files in a directory of mode 700, and a password behind it."""
    running = start().ready()
    places = Places(running.data)
    assert (places.run.stat().st_mode & 0o777) == 0o700
    for file in ("servers.json", "server_password", "run/valkey.conf"):
        assert ((running.data / file).stat().st_mode & 0o777) == 0o600
    password = places.password()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(Postgres.at(places).url.replace(password, "guess"))
    with pytest.raises(psycopg.OperationalError, match="no pg_hba"):
        psycopg.connect(Postgres.at(places).url.replace("headwater:", "postgres:"))
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(Valkey.at(places).url.replace(password, "guess")).ping()
    for process in running.tree():
        assert password not in " ".join(process.cmdline())
    assert running.stop() == 0


@pytest.mark.parametrize("uid", ["65534", "54321"])
def test_as_an_ordinary_user(start: Start, uid: str) -> None:
    """Root seen as another user, without root's powers: one with a name in the password file, and
    one without (which PostgreSQL refuses by itself)."""
    command = [sys.executable, "-m", "stack", "run", "--root", str(STUB_PROJECT)]
    running = start(command=launch(command, identity=f"userns:{uid}:{uid}")).ready()
    assert running.stop() == 0


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A directory that every user can reach, unlike pytest's own."""
    programs = binary("postgres")
    if os.geteuid() != 0 or not all(p.stat().st_mode & 1 for p in programs.parents):
        pytest.skip("needs root, and a project that every user can reach")
    path = Path(tempfile.mkdtemp(prefix="hw-reach-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


def test_as_root_without_user_namespaces(start: Start, reachable: Path) -> None:
    """PostgreSQL then runs as an unprivileged user, and no directory above is opened."""
    for _ in ("first start", "second start"):
        running = start(reachable / "data", command=WITHOUT_NAMESPACES).ready()
        owner = pwd.getpwnam("nobody").pw_uid
        assert (running.data / "postgres").stat().st_uid == owner
        assert running.program("postgres").uids().real == owner
        assert (reachable.stat().st_mode & 0o777) == 0o711
        assert running.stop() == 0


def test_as_root_without_user_namespaces_out_of_reach(start: Start, reachable: Path) -> None:
    (reachable / "closed").mkdir(mode=0o700)
    running = start(reachable / "closed/data", command=WITHOUT_NAMESPACES)
    assert f"an unprivileged user cannot enter {reachable}/closed:" in refusal(running)
