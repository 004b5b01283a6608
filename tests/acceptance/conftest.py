"""One stack for the tests that only talk to it, started as a user starts it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.acceptance.developer import Developer
from tests.components.server import Site, serving
from tests.hosts import RAW, Hosts
from tests.processes import ROOT, Running, inherited


@pytest.fixture(scope="session")
def feed() -> Iterator[Site]:
    """A feed at any address of a server on loopback, which the stack's components may reach."""
    with serving() as site:
        site.always((ROOT / "tests/fixtures/feeds/heise.atom").read_bytes())
        yield site


@pytest.fixture(scope="session")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """The host of what is published on GitHub, as the stack sees it."""
    with Hosts(tmp_path_factory.mktemp("hosts"), RAW) as made:
        yield made


@pytest.fixture(scope="session")
def stack(feed: Site, hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Takes as many wrong keys as somebody cares to send."""
    port = feed.address.rsplit(":", 1)[1]
    environment = hosts.environment() | {"WRONG_KEYS": "1000000"}
    environment["EGRESS_ALLOW"] += f",127.0.0.0/8:{port}"
    data = tmp_path_factory.mktemp("stack")
    with Running(data, root=ROOT, environment=environment) as running:
        yield running.ready(100)


@pytest.fixture(scope="session")
def admin_key(stack: Running) -> str:
    return stack.key


@pytest.fixture(scope="session")
def user_key(stack: Running) -> str:
    """Of a second user, who is no administrator."""
    return _new_user(stack, "second")


@pytest.fixture(scope="session")
def developer(stack: Running, tmp_path_factory: pytest.TempPathFactory) -> Developer:
    """A user of their own, at the command line of a home of their own."""
    key = _new_user(stack, "developer")
    return Developer(stack.address, key, tmp_path_factory.mktemp("home"))


def _new_user(stack: Running, name: str) -> str:
    """A key of a new user."""
    code = (
        "from apps.accounts import services as s;"
        f"print(s.create_key(s.create_user('{name}', '{name}@example.org'), 'test')[1])"
    )
    told = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", code],
        cwd=ROOT,
        env=inherited(HEADWATER_DATA=str(stack.data)),
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    return told.stdout.strip()
