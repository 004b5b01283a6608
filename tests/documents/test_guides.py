"""The guides, every line pasted as it stands into terminals beside a platform that runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.documents.blocks import Block, blocks
from tests.documents.walk import PLATFORM, Walk

GUIDES = ("docs/webhooks.md", "docs/chains.md", "docs/moving.md")
# Single blocks of other documents: the document, and what is in the block.
BESIDE = (
    ("docs/components.md", "new-component ../my-source"),
    ("docs/components.md", "cd ../my-source"),
    ("docs/components.md", "$API/accounts"),
    ("docs/components.md", "'$SC'"),
    ("docs/operations.md", "/users/me/keys"),
)
# What those documents take for granted.
BEFORE = """
export H="Authorization: Bearer $(cat var/api_key)" API=http://127.0.0.1:8000/v1
export TICK=$API/components/registry/schedule-tick
export SC=$(curl -s -H "$H" $TICK | grep -o 'sc_[0-9A-Za-z]*' | head -n 1)
"""


@pytest.fixture
def newcomer(running: Walk) -> Iterator[Walk]:
    """Somebody with new terminals: nothing is left in them of what others exported."""
    yield running
    running.leave(PLATFORM)


@pytest.mark.parametrize("guide", GUIDES)
def test_the_guide_is_pasted_as_it_stands(newcomer: Walk, guide: str) -> None:
    newcomer.through(guide)


def beside() -> Iterator[Block]:
    for document, text in BESIDE:
        [block] = [block for block in blocks(document) if text in block.text]
        yield block


def test_lines_of_other_documents_do_what_they_say(newcomer: Walk) -> None:
    newcomer.types("commands", BEFORE)
    shown = [newcomer.take(block) for block in beside()]
    assert "OK" in shown[1]
    assert '"id":"apn_' in shown[2]
    assert '"emits":' in shown[3]
    assert '"key":"hw_' in shown[4]
