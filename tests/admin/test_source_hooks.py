"""Actions that need component code: a real runner does it, and no thread of the web waits."""

from __future__ import annotations

import asyncio

import pytest

from apps.components.models import Component
from apps.sources.models import Source
from tests.admin.operating import address, messages
from tests.admin.visiting import log_in, operator, visiting
from tests.api.conftest import EdgeProcess, StartEdge
from tests.api.live import working
from tests.making import World
from workers.database import in_thread

HOOKING = """
from headwater import Source


class Hooking(Source):
    name = "Hooking"
    version = "0.0.1"

    def on_activate(self):
        pass

    def on_deactivate(self):
        {body}

    def run(self, event):
        pass
"""


def deployed(world: World, body: str = "pass") -> Source:
    component = world.component(HOOKING.format(body=body))
    Component.objects.filter(id=component).update(hooks=["activate", "deactivate"])
    return Source.objects.get(id=world.source(component))


def fresh(source: Source) -> Source:
    return Source.objects.get(id=source.id)


@pytest.fixture
def base(_shared_edge: EdgeProcess) -> str:
    return _shared_edge.url


@pytest.fixture
def session(world: World) -> str:
    return log_in(operator(world, superuser=True))


async def test_a_source_with_hooks_is_paused_and_resumed(
    base: str, world: World, session: str
) -> None:
    source = await in_thread(deployed, world)
    page = address(source)
    async with working(world), visiting(base, session) as visitor:
        answer = await visitor.press(page, address(source, "pause"))
        assert (answer.status_code, answer.headers["location"]) == (302, page)
        # The message came with the late answer's own cookie.
        assert "The source is paused." in messages((await visitor.get(page)).text)
        assert (await in_thread(fresh, source)).state == "inactive"
        await visitor.press(page, address(source, "resume"))
        assert "The source is active." in messages((await visitor.get(page)).text)
        assert (await in_thread(fresh, source)).state == "active"


async def test_what_a_hook_says_is_shown(base: str, world: World, session: str) -> None:
    source = await in_thread(deployed, world, 'raise ValueError("<b>not today</b>")')
    page = address(source)
    async with working(world), visiting(base, session) as visitor:
        # By a form, it comes back into the form.
        answer = await visitor.press(address(source, "remove"), address(source, "remove"))
        assert answer.status_code == 200
        assert "not today" in answer.text
        assert (await in_thread(fresh, source)).state == "active"
        answer = await visitor.press(page, address(source, "pause"))
        assert answer.status_code == 302
        html = (await visitor.get(page)).text
        assert "&lt;b&gt;not today&lt;/b&gt;" in html
        assert "<b>not today" not in html


async def test_waiting_holds_no_thread(start_edge: StartEdge, world: World, session: str) -> None:
    """Three times as many operators wait for a runner as there are threads, and pages answer."""
    edge = await asyncio.to_thread(start_edge)
    sources = [await in_thread(deployed, world) for _ in range(48)]
    async with visiting(edge.url, session) as visitor:
        page = (await visitor.get(address(sources[0]))).text
        assert "Pause" in page
        presses = [
            asyncio.create_task(visitor.press(address(one), address(one, "pause")))
            for one in sources
        ]
        queued = "SELECT count(*) FROM operation WHERE state = 'queued'"
        async with asyncio.timeout(60):
            while await asyncio.to_thread(world.one, queued) < len(sources):
                await asyncio.sleep(0.05)
            assert (await visitor.get(address(sources[0]))).status_code == 200
        assert not any(press.done() for press in presses)
        async with working(world):
            answers = await asyncio.gather(*presses)
    assert {answer.status_code for answer in answers} == {302}
