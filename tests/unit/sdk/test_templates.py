"""What `manage.py new-component` writes is typed: mypy --strict and `deno check` find no mistake,
and find those that an author makes. `headwater.d.ts` is what TypeScript knows of components."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtime.python.child import ROOT, RUNTIME
from workers.runtime.settings import deno_beside_python

TEMPLATES = ROOT / "templates" / "component"
SAMPLE = ROOT / "tests" / "fixtures" / "typed_component.ts"


def deno_check(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    """`deno check`, which is to fetch nothing."""
    shutil.copy(TEMPLATES / "types" / "headwater.d.ts", folder)
    environment = {**os.environ, "NO_COLOR": "1", "DENO_DIR": str(folder / "deno")}
    return subprocess.run(
        [deno_beside_python(), "check", "--no-remote", "--no-npm", *names],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def found_by_deno(text: str) -> dict[int, str]:
    """Line → code of each mistake; other places that one names come after its own."""
    mistakes = re.finditer(r"(TS\d+) \[ERROR\]:.*?\n +at file://\S+:(\d+):\d+\n", text, re.DOTALL)
    return {int(found[2]): found[1] for found in mistakes}


def test_typescript_knows_what_a_component_is(tmp_path: Path) -> None:
    shutil.copy(SAMPLE, tmp_path)
    ran = deno_check(tmp_path, SAMPLE.name)
    wanted = {
        number: line.rpartition("// error: ")[2]
        for number, line in enumerate(SAMPLE.read_text("utf-8").splitlines(), 1)
        if "// error: " in line
    }
    assert found_by_deno(ran.stderr) == wanted, ran.stderr


@pytest.mark.parametrize("name", ["typescript/component.ts", "javascript/component.js"])
def test_the_template_is_checked_as_it_is_written(tmp_path: Path, name: str) -> None:
    own = Path(shutil.copy(TEMPLATES / name, tmp_path))
    ran = deno_check(tmp_path, own.name)
    assert ran.returncode == 0, ran.stderr
    own.write_text(own.read_text("utf-8").replace("this.step", "this.steps"))
    ran = deno_check(tmp_path, own.name)
    assert ran.returncode != 0
    assert list(found_by_deno(ran.stderr).values()) == ["TS2551"], ran.stderr


def test_the_template_in_python_is_strictly_typed(tmp_path: Path) -> None:
    own = Path(shutil.copy(TEMPLATES / "python" / "component.py", tmp_path))
    shutil.copy(TEMPLATES / "shared" / "test_component.py", tmp_path)

    def mypy() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "component.py", "test_component.py"],
            cwd=tmp_path, env={**os.environ, "MYPYPATH": str(RUNTIME)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    ran = mypy()
    assert ran.returncode == 0, ran.stdout + ran.stderr
    own.write_text(own.read_text("utf-8").replace("self.step", "self.steps"))
    ran = mypy()
    assert ran.returncode == 1
    assert re.match(r'component.py:\d+: error: "Counter" has no attribute "steps"', ran.stdout)
