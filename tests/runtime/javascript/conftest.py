"""A fresh Deno child for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.javascript.driver import Child
from workers.runtime.javascript import cache
from workers.runtime.settings import deno_beside_python


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled code for all children of the session."""
    directory = tmp_path_factory.mktemp("template")
    cache.build(deno_beside_python(), directory)
    return directory


@pytest.fixture
def child(tmp_path: Path, template: Path) -> Iterator[Child]:
    with Child(tmp_path, template=template) as started:
        yield started
