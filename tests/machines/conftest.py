"""The hosts, once for the tests of this folder; a load of its own for each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.faults.gate import Gate
from tests.machines.house import WORKERS, House
from tests.machines.load import Load
from tests.machines.network import Impossible, Network, look


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    """Skipped where nobody may make one: most containers have a root that may not. Where this user
    may and it fails, it is red in CI."""
    try:
        look()
        made = Network("database", "web", *WORKERS)
    except Impossible as reason:
        if reason.expected and os.environ.get("CI"):
            pytest.fail(str(reason), pytrace=False)
        pytest.skip(str(reason))
    yield made
    made.close()


@pytest.fixture(scope="module")
def house(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with ExitStack() as opened:
        made = House(network, tmp_path_factory.mktemp("hosts"))
        opened.callback(made.close)
        made.start()
        yield made


@pytest.fixture
def load(house: House) -> Iterator[Load]:
    with ExitStack() as opened:
        made = Load(house)
        opened.callback(made.close)
        opened.callback(house.network.mend_all)
        made.start()
        yield made


@pytest.fixture
def gate(network: Network) -> Iterator[Gate]:
    made = network.outside(lambda: Gate(network.outside_address))
    yield made
    made.close()
