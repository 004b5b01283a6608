"""`self.url` is `str` to a type checker, and mistakes are found before they run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.runtime.python.child import ROOT, RUNTIME

SAMPLE = ROOT / "tests" / "fixtures" / "typed_component.py"


def test_a_type_checker_knows_the_props(tmp_path: Path) -> None:
    config = tmp_path / "mypy.ini"
    config.write_text(f"[mypy]\nstrict = true\nmypy_path = {RUNTIME}\n")
    arguments = ["--config-file", str(config), "--cache-dir", str(tmp_path / "cache"), str(SAMPLE)]
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", *arguments],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    found = {}
    for line in ran.stdout.splitlines():
        if match := re.match(r".*:(\d+): (error|note): (.*)$", line):
            number, kind, text = int(match[1]), match[2], match[3]
            if kind == "error":
                found[number] = "error: " + text[text.rindex("[") + 1 : -1]
            elif revealed := re.match(r'Revealed type is "(.*)"', text):
                found[number] = revealed[1].replace("builtins.", "")
    wanted = {}
    for number, line in enumerate(SAMPLE.read_text("utf-8").splitlines(), 1):
        if "reveal_type(" in line or "# error" in line:
            wanted[number] = line.split("# ")[1]
    assert found == wanted, ran.stdout + ran.stderr
