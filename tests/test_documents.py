"""The documents against the code: settings, links, make targets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from config.declared import DECLARED
from tests.documented import SETTINGS, page, read_by_the_code

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
OPERATIONS = (ROOT / "docs/operations.md").read_text()


def test_every_setting_is_declared_and_every_declared_one_is_read() -> None:
    read = read_by_the_code()
    assert read - SETTINGS == set(), "declare it in config/declared.py"
    assert SETTINGS - read == set(), "nobody reads it any more"


def test_the_page_lists_the_settings_as_they_are() -> None:
    assert page(OPERATIONS) == OPERATIONS, "`make settings` writes it"


def test_defaults_outside_the_settings_are_those_that_are_declared() -> None:
    """The Procfile's, and the stack's, which cannot import them."""
    for name, default in re.findall(r"\$\{([A-Z_]+):-(\w[^}]*)\}", (ROOT / "Procfile").read_text()):
        assert str(DECLARED[name].default).strip("`") == default or name == "PROCESS"
    stack = (ROOT / "stack/options.py").read_text()
    for name, default in re.findall(r'_number\("([A-Z_]+)", (\d+)', stack):
        assert DECLARED[name].default == int(default)


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
