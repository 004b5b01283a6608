"""`manage.py new-component`: what it writes is tested and deployed as its README says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT, Running

LANGUAGES = {"python": ".py", "javascript": ".js", "typescript": ".ts"}


def new_component(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "new-component", str(folder), *options],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip


def unittests(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """As the README says, outside the project; isolated from the packages of this interpreter."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-S", "-m", "unittest"],
        cwd=folder, env={**inherited, **environment}, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.parametrize(("language", "ending"), LANGUAGES.items())
def test_its_test_is_green_until_the_component_is_broken(
    stack: Running, admin_key: str, tmp_path: Path, language: str, ending: str
) -> None:
    folder = tmp_path / "a" / "new one"
    written = new_component(folder, "--language", language)
    assert written.returncode == 0, written.stderr
    types = set() if language == "python" else {"headwater.d.ts"}
    names = {f"component{ending}", "README.md", "test_component.py", *types}
    assert {path.name for path in folder.iterdir()} == names

    reached = {
        "HEADWATER_URL": stack.address,
        "HEADWATER_API_KEY": admin_key,
    }
    ran = unittests(folder, **reached)
    assert ran.returncode == 0, ran.stderr
    assert "Ran 2 tests" in ran.stderr

    _, deploy = re.findall(r"```sh\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    deployed = subprocess.run(
        ["bash", "-e", "-c", deploy],
        cwd=folder, env={**os.environ, **reached}, capture_output=True, text=True,
    )  # fmt: skip
    assert re.search(r'"id": ?"dc_', deployed.stdout), deployed.stdout + deployed.stderr

    code = folder / f"component{ending}"
    code.write_text(code.read_text().replace(".step", ".step + 1"))
    broken = unittests(folder, **reached)
    assert broken.returncode == 1
    assert "'count': 2" in broken.stderr, broken.stderr


def test_its_test_says_what_it_misses(tmp_path: Path) -> None:
    assert new_component(tmp_path).returncode == 0
    ran = unittests(tmp_path)
    assert ran.returncode == 1
    assert "set HEADWATER_API_KEY to a key of the running Headwater" in ran.stderr


def test_a_directory_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    refused = new_component(tmp_path)
    assert refused.returncode == 1
    assert refused.stdout == ""
    said = f"CommandError: {tmp_path} is not empty: name a new or empty directory\n"
    assert refused.stderr == said
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    refused = new_component(tmp_path / "notes")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"CommandError: {tmp_path / 'notes'}: File exists\n"
