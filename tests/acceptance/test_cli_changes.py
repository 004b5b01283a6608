"""`headwater update, pause, resume, delete` against a running stack."""

from __future__ import annotations

import os
import pty
import subprocess

import pytest

from tests.acceptance.developer import COMMAND, Developer
from tests.acceptance.test_cli import TICKING


@pytest.fixture
def source(developer: Developer, request: pytest.FixtureRequest) -> str:
    developer.writes("changed.py", TICKING.format(version="0.0.1"))
    slug = request.node.name.replace("_", "-")
    made: str = developer.json("deploy", "changed.py", "--name", slug, "-p", "many=5")["name_slug"]
    return made


def test_a_change_leaves_the_rest(developer: Developer, source: str) -> None:
    before = developer.json("describe", source)
    developer.writes("changed.py", TICKING.format(version="0.0.2"))
    words = ("--code", "changed.py", "--unset", "many", "-p", "words=2", "--every", "2d")
    changed = developer.json("update", source, "--name", f"{source} again", *words)
    assert changed["id"] == before["id"]
    assert changed["name_slug"] == f"{source}-again"
    assert changed["component_id"] != before["component_id"]
    timer = {"cron": None, "interval_seconds": 172_800}
    props = {"words": "2", "many": 1, "often": False, "timer": timer}
    assert changed["configured_props"] == props
    line = developer.refused("update", changed["id"], "-p", "many=few", code=1)
    assert line.startswith("configured_props.many")
    assert developer.refused("update", changed["id"], code=2).startswith("say what to change")


def test_pause_and_resume(developer: Developer, source: str) -> None:
    developer.types("pause", source)
    assert developer.json("describe", source)["active"] is False
    assert "inactive" in developer.refused("run", source, code=1)
    developer.types("resume", source)
    assert developer.json("describe", source)["active"] is True
    developer.types("run", source)


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("y", 0)])
def test_deleting_asks_in_a_terminal(
    developer: Developer, source: str, answer: str, code: int
) -> None:
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "delete", source], cwd=developer.folder, env=developer.environment,
        stdin=its, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.write(ours, f"{answer}\n".encode())
    _, errors = process.communicate(timeout=60)
    os.close(ours)
    os.close(its)
    assert (process.returncode, "with all its events?" in errors) == (code, True), errors
    gone = developer.types("describe", source, code=1 - code).returncode
    assert gone == 1 - code


def test_deleting_does_not_ask_a_script(developer: Developer, source: str) -> None:
    developer.types("delete", source)
    assert "no source" in developer.refused("delete", source, "--yes", code=1)
