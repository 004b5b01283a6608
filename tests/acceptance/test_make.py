"""What the README tells to do beside `make run`, done on a stack that runs."""

from __future__ import annotations

import subprocess

from tests.processes import ROOT, Running, inherited


def test_a_management_command_finds_the_running_stack(stack: Running) -> None:
    told = subprocess.run(
        # The virtual environment is the one that runs this test: it is not to be made.
        ["make", "--old-file=.venv/.installed", "manage", "ARGS=verify_ledger"],
        cwd=ROOT,
        env=inherited(HEADWATER_DATA=str(stack.data)),
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    assert "source" in told.stdout
