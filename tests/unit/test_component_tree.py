"""A component's tree: which paths may be laid out, and what a Code refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.components.services import check_files
from apps.core.errors import ApiError
from apps.runs.contract import TREE_BYTES, TREE_FILES, Code, check_path, check_tree


@pytest.mark.parametrize("path", ["a.js", "components/x/sources/new/new.js", "a b.js", "ä/…/x.mjs"])
def test_paths_inside(path: str) -> None:
    check_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "", "/a.js", "a//b", "a/", "../a.js", "a/../b.js", "./a.js", "..", "a/./b", "a\\..\\b",
        "a\0b", "a\nb", "C:\\a", "node_modules/x/index.js", "a/node_modules/x", "a/" * 16 + "b",
        "x" * 201, "é" * 200 + "/" + "é" * 100,
    ],
)  # fmt: skip
def test_paths_that_would_leave_or_pose_as_something_else(path: str) -> None:
    with pytest.raises(ValueError):
        check_path(path)


@pytest.mark.parametrize(
    ("entry", "files"),
    [
        ("a.js", {"a.js": ""}),
        ("a/b.js", {"a": ""}),
        ("a.js", {"b": "", "b/c": ""}),
        ("a.js", {"../b.js": ""}),
        ("../a.js", {}),
        ("a.js", {f"{n}.js": "" for n in range(TREE_FILES + 1)}),
        ("a.js", {"b.js": "x" * (TREE_BYTES + 1)}),
        ("a.js", {"b.js": "\ud800"}),
    ],
    ids=["twice", "under a file", "file and folder", "outside", "entry", "many", "big", "half"],
)
def test_trees_that_cannot_be_laid_out(entry: str, files: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        check_tree(entry, files)
    with pytest.raises(ApiError) as refused:
        check_files(entry, files, "component_url")
    assert refused.value.parameter == "component_url"
    if files:
        with pytest.raises(ValueError):
            Code("o", "c", "javascript", "", entry, files)


def test_a_tree_that_is_too_large_is_413() -> None:
    with pytest.raises(ApiError) as refused:
        check_files("a.js", {"b.js": "x" * (TREE_BYTES + 1)}, "component_url")
    assert refused.value.status == 413


def test_the_entry_has_a_fixed_name_by_language() -> None:
    assert Code("o", "c", "javascript", "").entry == "component.js"
    assert Path(Code("o", "c", "python", "").entry).suffix == ".py"


def test_codes_of_different_trees_differ() -> None:
    """They are the key of warm children."""
    one = Code("o", "c", "javascript", "", "a.js", {"b.js": "1"})
    two = Code("o", "c", "javascript", "", "a.js", {"b.js": "2"})
    assert len({one, two, Code("o", "c", "javascript", "", "a.js", {"b.js": "1"})}) == 2
