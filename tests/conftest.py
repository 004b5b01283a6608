"""What every test may use: the servers, and Django configured to find them.

`db` / `transactional_db` (pytest-django) start both servers. Tests that talk to Redis without a
database take `valkey`; tests that break a server start their own `Server` (tests/servers.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import django
import hypothesis
import pytest
import redis
from django.conf import settings
from django.db import connection
from django.test.utils import setup_databases
from pytest_django import DjangoDbBlocker

from tests.servers import Server, TestServers

# The addresses come first: settings read the environment once, when Django is set up.
servers = TestServers()
os.environ.update(servers.environment())
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
django.setup()

# Machines that run tests are busy: no case is late. The same cases each time, so that a change is
# red for what it did; new ones are drawn by `make fuzz`.
hypothesis.settings.register_profile(
    "tests",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("tests")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Each process of pytest-xdist has servers of its own: its settings may not be loaded before
    this file was, with the addresses of its parent's."""
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)


def pytest_unconfigure() -> None:
    servers.close()


@pytest.fixture(scope="session")
def postgres() -> Server:
    """The running PostgreSQL of this test process (not durable: see `durable_postgres`)."""
    servers.postgres.start()
    return servers.postgres


@pytest.fixture(scope="session")
def valkey() -> Server:
    """The running Valkey of this test process: streams in database 0, the broker in 1."""
    servers.valkey.start()
    return servers.valkey


@pytest.fixture(scope="session")
def server_environment(postgres: Server, valkey: Server) -> dict[str, str]:
    """The environment of a process that shall use the same servers."""
    return servers.environment()


@pytest.fixture
def streams(valkey: Server) -> Iterator[redis.Redis]:
    """The streams, none yet."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.flushall()
    yield client
    client.flushall()
    client.close()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(postgres: Server, valkey: Server) -> None:
    """pytest-django's hook before it makes the test database: the servers must run by then."""


@pytest.fixture(scope="session")
def test_database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Made here when no test of the session asked pytest-django for it."""
    if not connection.settings_dict["NAME"].startswith("test_"):
        with django_db_blocker.unblock():
            setup_databases(verbosity=0, interactive=False, aliases={"default": {}})
