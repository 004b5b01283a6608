"""Folders in which somebody who reads the documents types."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents.walk import Walk
from tests.processes import OF_THE_TESTS, ROOT, free_port

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
    """Others than those in the documents, as somebody may use these."""
    return {port: str(free_port()) for port in ("8000", "8080", "8081")}


def looks_like_a_clone(folder: Path) -> Path:
    """This checkout, installed as it is, with data of its own."""
    (folder / "var").mkdir(parents=True)
    for entry in ROOT.iterdir():
        if entry.name not in OF_A_CHECKOUT or entry.name == ".venv":
            (folder / entry.name).symlink_to(entry)
    return folder


def walk_in(clone: Path, home: Path) -> Walk:
    ours = ports()
    given = environment(
        home,
        HEADWATER_DATA=str(clone / "var"),
        PORT=ours["8000"],
        # The command line of this checkout, wherever the installed one came from.
        PYTHONPATH=str(ROOT / "client"),
    )
    return Walk(clone, given, ours)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def here(tmp_path: Path, home: Path) -> Iterator[Walk]:
    walk = walk_in(looks_like_a_clone(tmp_path / "headwater"), home)
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


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """Beside a platform that may reach the port of a receiver."""
    top = tmp_path_factory.mktemp("documents")
    home = top / "home"
    home.mkdir()
    walk = walk_in(looks_like_a_clone(top / "headwater"), home)
    try:
        walk.starts("EGRESS_ALLOW=127.0.0.1/32:8081 make run")
        yield walk
    finally:
        walk.close()
