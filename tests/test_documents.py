"""The documents against the code: settings, links, make targets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documented import SETTINGS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
OPERATIONS = (ROOT / "docs/operations.md").read_text()


def test_every_setting_is_documented_and_every_documented_one_exists() -> None:
    read = SETTINGS - {"PROCESS"}
    first_cells = re.findall(r"^\| (.*?) \|", OPERATIONS, re.MULTILINE)
    told = set(re.findall(r"`([A-Z][A-Z_]+)`", " ".join(first_cells)))
    told |= set(re.findall(r"^`([A-Z_]+)` is for the tests", OPERATIONS, re.MULTILINE))
    assert read == told


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_make_targets_that_documents_name_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        named = set(re.findall(r"`make ([a-z-]+)", document.read_text()))
        assert named <= targets, document


def test_the_grace_times_that_operations_names_are_those_of_the_code() -> None:
    code = (ROOT / "stack/up.py").read_text()
    for stage, seconds in (("WEB", 4), ("WORKERS", 10), ("VALKEY", 3), ("POSTGRES", 6)):
        assert re.search(rf"\b{stage}, {seconds}\b", code), stage
        assert f"({seconds} s" in OPERATIONS


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    """`make docs` would refuse it too, later."""
    named = set(re.findall(r": ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    written = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert written <= named
    made = {"index.md", "builtin.md", "reporting.md", "changelog.md"}
    assert named <= written | made
