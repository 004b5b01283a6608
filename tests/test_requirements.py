"""What is pinned can be installed wherever the README says that the platform runs."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(ROOT.glob("requirements*.txt"))
OLDEST = "3.11.0"


def pins(file: Path) -> list[Requirement]:
    lines = [line.partition(" #")[0].strip() for line in file.read_text().splitlines()]
    return [Requirement(line) for line in lines if line and line[0] not in "#-"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_each_takes_the_oldest_python(file: Path) -> None:
    """Somebody who pins on a newer Python is not told: Debian 12 has 3.11.2."""
    refused = {
        str(pin): asked
        for pin in pins(file)
        if (asked := distribution(pin.name).metadata["Requires-Python"])
        and not SpecifierSet(asked).contains(OLDEST)
    }
    assert refused == {}
    assert len(pins(file)) > 1
