"""`docs/tutorial.md`, every line pasted as it stands into terminals, on a platform of its own.

Ports are others than those in the text, as somebody may use these.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.running import OF_THE_TESTS, ROOT, free_port
from tests.documents.walk import Walk

TUTORIAL = "docs/tutorial.md"
# What `git clone` does not bring.
OF_A_CHECKOUT = (".git", ".venv", "var", "build")


def environment(home: Path, **more: str) -> dict[str, str]:
    """Of somebody who has just logged in."""
    left = re.compile(
        "|".join([*OF_THE_TESTS, r"HEADWATER_\w+", r"PYTEST_\w+", "XDG_CONFIG_HOME", "VIRTUAL_ENV"])
    )
    inherited = {name: value for name, value in os.environ.items() if not left.fullmatch(name)}
    return {**inherited, "HOME": str(home), **more}


def ports() -> dict[str, str]:
    return {port: str(free_port()) for port in ("8000", "8080", "8081")}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def here(tmp_path: Path, home: Path) -> Iterator[Walk]:
    """In a folder that looks like a clone and is this checkout, installed as it is."""
    clone = tmp_path / "headwater"
    (clone / "var").mkdir(parents=True)
    for entry in ROOT.iterdir():
        if entry.name not in OF_A_CHECKOUT or entry.name == ".venv":
            (clone / entry.name).symlink_to(entry)
    ours = ports()
    given = environment(
        home,
        HEADWATER_DATA=str(clone / "var"),
        PORT=ours["8000"],
        # The command line of this checkout, wherever the installed one came from.
        PYTHONPATH=str(ROOT / "client"),
    )
    walk = Walk(clone, given, ours)
    yield walk
    walk.close()


@pytest.fixture
def in_a_fresh_clone(tmp_path: Path, home: Path) -> Iterator[Walk]:
    clone = tmp_path / "headwater"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    ours = ports()
    walk = Walk(clone, environment(home, PORT=ours["8000"]), ours, first_s=400)
    yield walk
    walk.close()


def test_the_tutorial_is_pasted_as_it_stands(here: Walk) -> None:
    here.through(TUTORIAL)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_newcomer_pastes_the_tutorial_in_a_fresh_clone(in_a_fresh_clone: Walk) -> None:
    in_a_fresh_clone.through(TUTORIAL)
