"""What `make audit` makes of pip-audit's answers: one that looked at nothing is never good news."""

from __future__ import annotations

from typing import Any

import pytest

from tests.audit import verdict

GOOD: dict[str, Any] = {"name": "a", "version": "1", "vulns": []}
BAD: dict[str, Any] = {
    "name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}],
}  # fmt: skip
UNKNOWN: dict[str, Any] = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("found", "reason", "status", "says"),
    [
        ([GOOD], "", 0, "1 looked at, 0 vulnerable"),
        ([GOOD, BAD], "", 1, "VULNERABLE b 2: PYSEC-1, fixed in 3"),
        ([GOOD, UNKNOWN], "", 0, "skipped: c: not found"),
        ([UNKNOWN, UNKNOWN], "", 0, "SKIPPED, nothing was looked at: not found"),
        ([], "no route", 0, "SKIPPED, nothing was looked at: no route"),
    ],
)
def test_verdicts(found: list[dict[str, Any]], reason: str, status: int, says: str) -> None:
    lines, ended = verdict(found, reason)
    assert ended == status
    assert any(says in line for line in lines)
