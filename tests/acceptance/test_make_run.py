"""The README followed to the letter on a fresh data directory: `make run`, the first source, stop,
start again. Every process is the real one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.components.server import Site, serving
from tests.making import until
from tests.processes import ROOT, Running, left_over
from tests.runtime.python.child import Child

MAKE_RUN = ["make", "--no-print-directory", "run"]


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as served:
        served.always((ROOT / "tests/fixtures/feeds/heise.atom").read_bytes())
        yield served


def readme_block(language: str, containing: str) -> str:
    blocks: list[str] = re.findall(
        rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )
    return next(block for block in blocks if containing in block)


def first_source(running: Running, feed: str) -> dict[str, Any]:
    """What the README's lines print, with this stack and this feed in place of the examples."""
    script = readme_block("sh", "event_summaries")
    for example, ours in (
        ("var/api_key", str(running.data / "api_key")),
        ("http://127.0.0.1:8000", running.address),
        ("https://www.djangoproject.com/rss/weblog/", feed),
    ):
        assert example in script
        script = script.replace(example, ours)
    told = subprocess.run(["bash", "-eu"], input=script, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    listed: dict[str, Any] = json.loads(told.stdout)
    assert "page_info" in listed, listed
    return listed


def read(running: Running, path: str) -> dict[str, Any]:
    bearer = f"Authorization: Bearer {running.key}"
    curl = ["curl", "-s", "-H", bearer, f"{running.address}/v1/{path}"]
    told = subprocess.run(curl, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(told.stdout)
    return answer


# Two starts and a stop, each of which has a time of its own.
@pytest.mark.timeout(300)
def test_the_readme_and_a_second_start(tmp_path: Path, site: Site) -> None:
    port = site.address.rsplit(":", 1)[1]
    environment = {"EGRESS_ALLOW": f"127.0.0.0/8:{port}"}
    running = Running(tmp_path / "data", root=ROOT, command=MAKE_RUN, environment=environment)
    try:
        running.ready(within_s=100)
        assert running.lines.count(f"ready: http://127.0.0.1:{running.port}") == 1
        for file in ("api_key", "admin_password", "secret_key", "servers.json"):
            assert ((running.data / file).stat().st_mode & 0o777) == 0o600
        first_source(running, f"{site.address}/feed")
        source = read(running, "users/me/sources")["data"][0]["id"]
        events = f"sources/{source}/event_summaries?limit=100"
        until(lambda: read(running, events)["data"], 20, "the feed's items")
        listed = read(running, events)["data"]
        assert len(listed) == 15
        tree = running.tree()
        os.kill(running.process.pid, signal.SIGTERM)
        running.wait()
        assert left_over(tree, within_s=25) == []
        assert "database system is shut down" in (running.data / "log/postgres.log").read_text()
        again = Running(running.data, root=ROOT, command=MAKE_RUN, environment=environment)
        running = again.ready()
        assert read(running, events)["data"] == listed
        assert "made a new database" not in again.lines
    finally:
        running.close()


def test_kill_9_of_make_stops_the_stack(tmp_path: Path) -> None:
    with Running(tmp_path / "data", root=ROOT, command=MAKE_RUN) as running:
        running.ready(within_s=100)
        tree = running.tree()
        psutil.Process(running.process.pid).kill()
        assert left_over(tree, within_s=25) == []
        assert "database system is shut down" in (running.data / "log/postgres.log").read_text()


def test_the_readmes_own_component_is_accepted() -> None:
    """The example of a component runs as printed."""
    code = readme_block("python", "from headwater import")
    with Child(code) as child:
        assert child.failed is None, child.failed
