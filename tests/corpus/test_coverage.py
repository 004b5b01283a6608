"""That what is run here is enough of what is published, and of every kind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from apps.components.description import APPHOOK, HTTP, STORE, TIMER
from tests.corpus import published
from tests.corpus.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")
COMPONENT = re.compile(r'"(\w+/sources/[\w/-]+\.js)"')


def deployed() -> set[str]:
    """The paths of the components that tests of this folder deploy."""
    texts = [path.read_text() for path in Path(__file__).parent.glob("test_*.py")]
    return {path for text in texts for path in COMPONENT.findall(text)}


async def test_enough_components_of_enough_apps_and_every_kind(stage: Stage) -> None:
    paths = deployed()
    assert all((published.root() / "components" / path).is_file() for path in paths)
    assert len(paths) >= 40
    assert len({path.split("/")[0] for path in paths}) >= 20
    kinds: set[object] = set()
    for path in sorted(paths):
        described = await stage.described(path)
        props = {prop["type"]: prop for prop in described.props}
        kinds |= {kind for kind in (TIMER, HTTP, APPHOOK, STORE) if kind in props}
        if TIMER in props:
            kinds.add(f"timer, dedupe {described.dedupe}")
        if HTTP in props:
            kinds.add("custom response" if props[HTTP].get("customResponse") else "no response")
        kinds |= set(described.hooks)
        kinds |= {flag for prop in props.values() for flag in prop if flag.startswith("remote")}
    assert kinds == {
        TIMER, HTTP, APPHOOK, STORE, "timer, dedupe unique", "timer, dedupe greatest",
        "timer, dedupe last", "timer, dedupe None", "custom response", "no response",
        "activate", "deactivate", "remoteOptions", "remoteEventNames",
    }  # fmt: skip
