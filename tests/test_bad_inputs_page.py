"""docs/bad-inputs.md: no row without a test, no test that does not exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in (ROOT / "docs/bad-inputs.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| Input")
]


@cache
def functions_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def test_there_are_all_tables() -> None:
    assert len(ROWS) > 55


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:50])
def test_each_row_is_held_by_tests_that_exist(row: list[str]) -> None:
    assert len(row) == 3
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", row[2])
    assert named
    for file, test in named:
        assert (ROOT / file).exists(), file
        assert not test or test in functions_of(file), test
