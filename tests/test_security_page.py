"""docs/security.md names files, targets and commands that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/security.md").read_text()
PLACES = sorted(set(re.findall(r"`((?:apps|workers|tests)/[\w./]+)`", PAGE)))


def test_it_names_many() -> None:
    assert len(PLACES) > 25


@pytest.mark.parametrize("place", PLACES)
def test_each_place_exists(place: str) -> None:
    assert (ROOT / place).exists()


@pytest.mark.parametrize("command", re.findall(r"ARGS=([a-z_]+)`", PAGE))
def test_each_command_exists(command: str) -> None:
    assert list(ROOT.glob(f"apps/*/management/commands/{command}.py"))
