"""The shell lines of the guide in `docs/components.md`, typed against a running stack."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.making import until
from tests.processes import ROOT, Running

GUIDE = (ROOT / "docs/components.md").read_text("utf-8").partition("\n## Reference\n")[0]
# What follows them is of `test_new_component.py`.
PREPARE, TRY, DEPLOY, LOOK, *_ = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)


class Shell:
    """Runs blocks one after the other, each in a bash of its own that begins with the first."""

    def __init__(self, stack: Running, folder: Path, ending: str) -> None:
        block = re.search(rf"```\w+\n(?:#|//) dedupe\{ending}\n(.*?)```", GUIDE, re.DOTALL)
        assert block is not None
        (folder / f"thermometer{ending}").write_text(block[1])
        self._folder = folder
        self._first = PREPARE.replace("CODE=thermometer.py", f"CODE=thermometer{ending}")
        self.given = {
            **os.environ,
            "H": f"Authorization: Bearer {stack.key}",
            "API": f"{stack.address}/v1",
        }

    def answers(self, block: str) -> list[Any]:
        """The JSON documents that the lines print."""
        ran = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", self._first + block],
            cwd=self._folder, env=self.given, capture_output=True, text=True,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        text, found = ran.stdout.strip(), []
        while text:
            value, end = json.JSONDecoder().raw_decode(text)
            found.append(value)
            text = text[end:].lstrip()
        return found


@pytest.mark.parametrize("ending", [".py", ".js"])
def test_the_guide_is_typed_as_it_stands(stack: Running, tmp_path: Path, ending: str) -> None:
    shell = Shell(stack, tmp_path, ending)
    [told] = shell.answers(TRY)
    assert [emit["event"]["degrees"] for emit in told["data"]["emits"]] == [31]
    assert [one["reason"] for one in told["data"]["suppressed"]] == ["seen"]

    [shell.given["DC"]] = shell.answers(DEPLOY + 'echo "\\"$DC\\""\n')
    seen: list[Any] = []

    def has_events() -> bool:
        seen[:] = [answer["data"] for answer in shell.answers(LOOK)]
        return bool(seen[0])

    until(has_events, 60, "the run")
    # Events show as soon as they are stored; all the rest of the run was stored with them.
    events, suppressed, logs, errors = (answer["data"] for answer in shell.answers(LOOK))
    assert [event["event"]["degrees"] for event in events] == [31]
    assert [one["id"] for one in suppressed] == ["attic 2026-07-01T14"]
    assert logs[0]["event"]["kind"] == "end"
    assert errors == []
