"""One runtime, one installer and one server of stand-ins for all published components."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.corpus import published
from tests.corpus.hosts import HOSTS
from tests.corpus.platform import Platform
from tests.corpus.providers import Providers
from tests.corpus.stage import Stage
from tests.packages.conftest import Rows
from workers.packages import install_settings
from workers.runtime.egress import Policy
from workers.runtime.packages.installer import Installer
from workers.runtime.packages.npm import Npm
from workers.runtime.pool import Runtime
from workers.runtime.settings import RuntimeSettings


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They install packages and start a child for each component: left to `make test-all`."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Providers]:
    with Providers(tmp_path_factory.mktemp("providers"), HOSTS) as found:
        yield found


@pytest.fixture
def providers(server: Providers) -> Iterator[Providers]:
    """Nothing served, nothing asked; what a component asked for in vain fails the test."""
    server.clear()
    yield server
    assert not server.strays, server.strays
    assert not server.failures, server.failures


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared(
    server: Providers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    published.root()
    settings = RuntimeSettings(
        run_dir=tmp_path_factory.mktemp("corpus") / "run",
        packages_dir=published.KEPT / "sets",
        egress_allow=(f"127.0.0.1/32:{server.port}",),
        egress_resolve=server.resolve,
        egress_ca=str(server.ca),
        max_children=8,
    )
    runtime = Runtime(settings)
    await runtime.start()
    chosen = install_settings()
    installer = Installer(chosen, runtime, Rows(), [Npm(chosen, Policy(()), "2.9")])
    runtime.provide_with(installer.provide)
    yield Stage(runtime, installer, server)
    await runtime.close()


@pytest.fixture
def stage(shared: Stage, providers: Providers) -> Stage:
    return shared


@pytest.fixture(scope="session")
def stack(server: Providers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    published.root()
    started = Platform(tmp_path_factory.mktemp("stack"), server)
    yield started
    started.close()


@pytest.fixture
def platform(stack: Platform, providers: Providers) -> Iterator[Platform]:
    yield stack
    stack.delete_polling()
