"""The guides, every line pasted as it stands into terminals beside a platform that runs."""

from __future__ import annotations

import pytest

from tests.documents.walk import Walk

GUIDES = ("docs/webhooks.md", "docs/chains.md", "docs/moving.md")


@pytest.mark.parametrize("guide", GUIDES)
def test_the_guide_is_pasted_as_it_stands(running: Walk, guide: str) -> None:
    running.through(guide)
