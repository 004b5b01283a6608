"""Schemathesis reads the description of the API and tries to find where it is not true.

Every check of the tool is on. Left out are the event streams alone: they never end, and the tool
waits for answers to end (tests/api/test_sse.py reads them).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import Running

TOOL = Path(sys.executable).with_name("schemathesis")
CONFIG = Path(__file__).with_name("schemathesis.toml")
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
ALL_PHASES = "examples,coverage,fuzzing,stateful"


def run(stack: Running, key: str, folder: Path, *options: str) -> int:
    """How many requests it made; fails with what it found."""
    about = f"{stack.address}/v1/openapi.json"
    command = [str(TOOL), "--config-file", str(CONFIG), "run", about, "--checks", "all"]
    command += ["--header", f"Authorization: Bearer {key}", "--continue-on-failure", "--no-color"]
    command += ["--exclude-operation-id-regex", "^stream", "--warnings", "off"]
    command += ["--request-timeout", "60", *options]
    told = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS)},
        capture_output=True,
        text=True,
    )
    print(told.stdout)
    assert told.returncode == 0, told.stdout + told.stderr
    counted = re.search(r"Test cases:\s+(\d+) generated", told.stdout)
    assert counted is not None
    return int(counted[1])


@pytest.mark.timeout(300)
def test_a_short_run_finds_nothing(stack: Running, user_key: str, tmp_path: Path) -> None:
    options = ("--phases", "examples,fuzzing", "--max-examples", "2", "--seed", "1")
    assert run(stack, user_key, tmp_path, *options) > 100


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("who", ["admin_key", "user_key"])
def test_two_thousand_cases_find_nothing(
    stack: Running, who: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    key: str = request.getfixturevalue(who)
    assert run(stack, key, tmp_path, "--phases", ALL_PHASES) >= 2000
