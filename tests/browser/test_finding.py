"""Which browser is found, and what becomes of the tests where there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.browser import finding
from tests.browser.finding import Found, NoBrowser, find
from tests.browser.visiting import started


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory to be the PATH."""
    path = tmp_path / "programs"
    path.mkdir()
    return path


def program(path: Path, name: str) -> Path:
    made = path / name
    made.write_text("#!/bin/sh\n")
    made.chmod(0o755)
    return made


def test_the_one_that_is_named_comes_first(programs: Path, tmp_path: Path) -> None:
    program(programs, "chromium")
    mine = program(tmp_path, "mine")
    assert find({"CHROMIUM": str(mine), "PATH": str(programs)}) == Found(mine)


def test_a_name_that_is_no_executable_is_not_replaced(programs: Path) -> None:
    program(programs, "chromium")
    with pytest.raises(NoBrowser, match="CHROMIUM=/nowhere is no executable"):
        find({"CHROMIUM": "/nowhere", "PATH": str(programs)})


@pytest.mark.parametrize("name", finding.NAMES)
def test_one_on_the_path(programs: Path, name: str) -> None:
    made = program(programs, name)
    assert find({"PATH": f"{programs}/none:{programs}"}) == Found(made)


def test_else_the_one_of_a_package_which_starts(programs: Path, tmp_path: Path) -> None:
    """Fetched once, into the cache alone."""
    environment = {**os.environ, "CHROMIUM": "", "PATH": str(programs)}
    cache = tmp_path / "cache"
    found = find(environment, cache)
    assert found.executable.is_relative_to(cache)
    with started(found) as browser:
        page = browser.new_page()
        page.set_content("<p>It starts.")
        assert page.text_content("p") == "It starts."
    unreachable = {**environment, "NPM_CONFIG_REGISTRY": "http://127.0.0.1:9/"}
    assert find(unreachable, cache) == found


def test_a_registry_out_of_reach_leaves_nothing(programs: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    environment = {**os.environ, "CHROMIUM": "", "PATH": str(programs)}
    with pytest.raises(NoBrowser, match=r"none of chromium, .* and no package"):
        find({**environment, "NPM_CONFIG_REGISTRY": "http://127.0.0.1:9/"}, cache)
    assert list(cache.iterdir()) == []
