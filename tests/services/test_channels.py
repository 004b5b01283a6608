"""What stands in which channel after a run (REST specification 7.6)."""

from __future__ import annotations

from datetime import datetime, timedelta

import redis

from tests.making import World
from tests.services.way import quiet, running

ALL = """
from headwater import Source


class All(Source):
    name = "All channels"
    version = "0.0.1"

    def run(self, event):
        self.emit({"n": 1})
        self.emit({"n": 2}, channel="custom")
        try:
            self.emit({"n": 3}, channel="$errors")
        except Exception as error:
            print("refused:", type(error).__name__)
        raise KeyError("uncaught")
"""

CONTEXT = ["id", "ts", "source_id", "component_id", "owner_id", "platform_version"]
LINE = {"ts", "run_id", "kind", "level", "cause", "msg"}


async def test_7_6_what_stands_in_each_channel(world: World, streams: redis.Redis) -> None:
    component = world.component(ALL)
    source = world.source(component)
    world.queue(source, b'{"asked":1.0}')
    async with running(world) as runner:
        runner.offer([source])
        await quiet(world)
    run_id = str(world.one("SELECT id FROM run WHERE source_id = %s", source))
    assert [event.payload for event in world.events(source)] == [{"n": 1}]
    assert [event.payload for event in world.events(source, "custom")] == [{"n": 2}]

    [error] = world.events(source, "$errors")
    said = error.payload
    assert list(said) == ["original_event", "original_context", "error"]
    assert said["original_event"] == {"asked": 1.0}
    context = said["original_context"]
    assert list(context) == CONTEXT
    assert datetime.fromisoformat(context["ts"]).utcoffset() == timedelta(0)
    assert (context["source_id"], context["component_id"]) == (source, component)
    assert (context["id"], context["owner_id"]) == (run_id, world.owner)
    assert list(said["error"]) == ["code", "name", "message", "stack", "ts"]
    assert said["error"]["name"] == "KeyError"
    assert "in run" in said["error"]["stack"]

    lines = [event.payload for event in world.events(source, "$logs")]
    assert all(set(line) >= LINE for line in lines)
    assert [line["kind"] for line in lines] == ["start", "log", "error", "end"]
    assert {line["run_id"] for line in lines} == {run_id}
    assert lines[1]["msg"] == "refused: ValueError"
    assert "uncaught" in lines[2]["msg"]
    assert (lines[3]["status"], lines[3]["emitted"], lines[3]["suppressed"]) == ("failed", 2, 0)
