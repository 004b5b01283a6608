"""A web server and the first-party components in real harness processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.components.server import Site, serving
from tests.runtime.python.child import ROOT, Child

BUILTIN = ROOT / "apps" / "components" / "builtin"


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as running:
        yield running


def _loaded(name: str) -> Iterator[Child]:
    with Child((BUILTIN / f"{name}.py").read_text("utf-8")) as child:
        assert child.failed is None, child.failed
        yield child


@pytest.fixture(scope="module")
def rss() -> Iterator[Child]:
    yield from _loaded("rss_new_item_in_feed")


@pytest.fixture
def http_requests() -> Iterator[Child]:
    yield from _loaded("http_new_requests")


@pytest.fixture
def schedule() -> Iterator[Child]:
    yield from _loaded("schedule_tick")
