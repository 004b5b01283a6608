"""`docs/tutorial.md`, every line pasted as it stands into terminals, on a platform of its own."""

from __future__ import annotations

import pytest

from tests.documents.walk import Walk

TUTORIAL = "docs/tutorial.md"


# Each step has a time of its own: thirty commands, and five rounds of a timer.
@pytest.mark.timeout(400)
def test_the_tutorial_is_pasted_as_it_stands(here: Walk) -> None:
    here.through(TUTORIAL)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_newcomer_pastes_the_tutorial_in_a_fresh_clone(in_a_fresh_clone: Walk) -> None:
    in_a_fresh_clone.through(TUTORIAL)
