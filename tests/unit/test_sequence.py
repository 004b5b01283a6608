"""The order of steps of every operation, as component specification 6 lists them."""

from __future__ import annotations

import pytest

from apps.runs.sequence import Facts, Step, cleanup, creation, deletion, update

ALL = ["deploy", "activate", "deactivate"]


def names(steps: list[Step]) -> list[str]:
    """`deactivate?` may fail."""
    return [(step.hook or step.act) + "?" * step.may_fail for step in steps]


@pytest.mark.parametrize(
    ("hooks", "active", "expected"),
    [
        (ALL, True, ["deploy", "activate"]),
        (ALL, False, ["deploy"]),
        (["activate", "deactivate"], True, ["activate"]),
        (["activate", "deactivate"], False, []),
        (["deploy"], True, ["deploy"]),
        ([], True, []),
    ],
)
def test_creation(hooks: list[str], active: bool, expected: list[str]) -> None:
    assert names(creation(hooks, active)) == expected


def test_what_is_tried_after_a_creation_broke() -> None:
    assert names(cleanup(ALL, "activate")) == ["deactivate?"]
    assert cleanup(ALL, "deploy") == []
    assert cleanup(["activate"], "activate") == []


@pytest.mark.parametrize(
    ("before", "after", "changes", "old", "new", "expected"),
    [
        (True, True, True, ALL, ALL, ["deactivate?", "exchange", "activate"]),
        (True, True, True, [], ALL, ["exchange", "activate"]),
        (True, True, True, ALL, [], ["deactivate?", "exchange"]),
        (True, True, False, ALL, ALL, ["exchange"]),
        (False, False, True, ALL, ALL, ["exchange"]),
        (True, False, False, ALL, ALL, ["stop", "deactivate?", "exchange"]),
        (True, False, True, ALL, [], ["stop", "deactivate?", "exchange"]),
        (True, False, True, [], ALL, ["stop", "exchange"]),
        (False, True, False, ALL, ALL, ["exchange", "open", "activate"]),
        (False, True, True, ALL, [], ["exchange", "open"]),
    ],
)
def test_updates(
    before: bool, after: bool, changes: bool, old: list[str], new: list[str], expected: list[str]
) -> None:
    assert names(update(Facts(before, after, changes, old, new))) == expected


def test_deletion() -> None:
    assert names(deletion(ALL, True, True)) == ["deactivate?"]
    assert names(deletion(ALL, True, False)) == ["deactivate"]
    assert deletion(ALL, False, False) == []
    assert deletion([], True, False) == []


def test_deploy_never_runs_again() -> None:
    for before in (True, False):
        for after in (True, False):
            steps = update(Facts(before, after, True, ALL, ALL))
            assert all(step.hook != "deploy" for step in steps)
