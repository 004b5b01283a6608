"""Every block of every document: which test runs it, or why none does.

A new block fails here until somebody has written down what becomes of it.
"""

from __future__ import annotations

import configparser
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.documents.blocks import ROOT, Block, blocks, documents
from tests.documents.test_guides import BESIDE, GUIDES
from tests.documents.test_tutorial import TUTORIAL

ALL = [block for document in documents() for block in blocks(document)]
# Read by programs, and read here.
READ: dict[str, Callable[[str], Any]] = {
    "ini": lambda text: configparser.RawConfigParser(strict=False).read_string(text),
    "json": json.loads,
    "yaml": yaml.safe_load,
}
# What decisions show is how something was found, and no document to follow.
SHOWN = ("docs/decisions/",)


@dataclass(frozen=True, slots=True)
class Held:
    """Blocks of a document whose text the pattern finds, and the test that runs them.
    why  why it does not paste them as they stand; empty when it does
    """

    document: str
    pattern: str
    test: str
    why: str = ""

    def holds(self, block: Block) -> bool:
        return block.document == self.document and bool(re.search(self.pattern, block.text, re.M))


CLI, STACK = "tests/acceptance/test_cli_guide.py", "tests/acceptance/test_guide.py"
# Reads every document itself.
COMMANDS = "tests/documents/test_commands.py"
GUIDE, REFERENCE = "tests/api/test_guide.py", "tests/unit/sdk/test_documents.py"
STEPS = r"^(#|//) (smallest|props|timer|dedupe|endpoint|packages|account|choices)\."
EXAMPLES = r"^# (counter|signed|app|changes|errors|asynchronous)\.py"
HELD = (
    Held("README.md", r"make run|^export H|class Counter", "tests/acceptance/test_make_run.py"),
    Held("docs/cli.md", r"^headwater|^echo|^eval|counter\.py", CLI),
    Held("docs/components.md", STEPS, GUIDE),
    Held("docs/components.md", r"^# hooks\.py(.|\n)*event\.body|^// hooks\.js", GUIDE),
    Held("docs/components.md", r'^# hooks\.py(.|\n)*"called"', REFERENCE),
    Held("docs/components.md", EXAMPLES, REFERENCE),
    Held("docs/components.md", r"^body|^export (CODE|DC)|event_sum", STACK),
    Held("docs/operations.md", "make backup", COMMANDS,
         "/backups is not the test's: tests/acceptance/test_backup.py does it elsewhere"),
    Held("docs/operations.md", "sandbox_check", COMMANDS,
         "tests/runtime/hostile/test_places.py does it, in each place a worker may be in"),
    Held("docs/operations.md", "axes_reset_username", COMMANDS,
         "changepassword asks for a password; tests/admin/test_lockout.py does the others"),
    Held("docs/operations.md", "registry import", COMMANDS,
         "the corpus takes minutes: tests/api/test_registry.py has packages of its own"),
    Held("docs/operations.md", "systemctl", "tests/test_deploy.py",
         "no systemd runs where tests do: the units are verified"),
    Held("docs/operations.md", "docker compose", "tests/test_deploy.py",
         "no engine of containers runs where tests do: the file is read"),
    Held("docs/operations.md", "breaks = ", "tests/test_migrations.py", "an example of a mark"),
    Held("docs/performance.md", "make bench", COMMANDS,
         "minutes of measuring, and no guarantee"),
)  # fmt: skip


def held_by(block: Block) -> list[str]:
    if block.document == TUTORIAL:
        return ["tests/documents/test_tutorial.py"]
    if block.document in GUIDES:
        return ["tests/documents/test_guides.py"]
    if block.document.startswith(SHOWN):
        return ["shown"]
    if block.language in READ:
        return ["read below"]
    if any(block.document == document and start in block.text for document, start in BESIDE):
        return ["tests/documents/test_guides.py"]
    if block.document.startswith("templates/"):
        return ["tests/acceptance/test_new_component.py"]
    return [held.test for held in HELD if held.holds(block)]


@pytest.mark.parametrize("block", ALL, ids=lambda block: f"{block.document}-{block.text[:24]!r}")
def test_a_test_runs_it_or_a_reason_is_named(block: Block) -> None:
    assert block.language or block.document.startswith(SHOWN), "say which language it is"
    assert len(held_by(block)) == 1, f"{block.place}: {held_by(block)}"


@pytest.mark.parametrize("held", HELD, ids=lambda held: f"{held.document}-{held.pattern[:24]}")
def test_what_is_said_to_hold_a_block_is_there(held: Held) -> None:
    assert any(held.holds(block) for block in ALL), "a block that is gone"
    test = (ROOT / held.test).read_text("utf-8")
    assert held.why or held.document in test, "it does not read the document"


@pytest.mark.parametrize(
    "block",
    [block for block in ALL if block.language in READ],
    ids=lambda block: f"{block.document}-{block.text[:24]!r}",
)
def test_what_programs_read_can_be_read(block: Block) -> None:
    READ[block.language](block.text)
