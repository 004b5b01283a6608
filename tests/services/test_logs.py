"""Lines of the platform's logs: what they are about, and what they keep to themselves."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
import structlog
from django.db import DatabaseError, connection

from apps.core.about import about, apart
from apps.runs.mailbox import run_id
from config import logs
from tests.making import World
from tests.services.way import quiet, running
from workers.drain import Doors

SECRET = "hunter2-hunter2"
logger = logging.getLogger("apps.tests")


class Written:
    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def written() -> Iterator[Written]:
    """What the platform's handler writes, as its settings make it."""
    made = Written()
    handler = logging.StreamHandler(made.stream)
    handler.setFormatter(logs.formatter("worker9"))
    handler.addFilter(logs.Quiet())
    logging.getLogger().addHandler(handler)
    yield made
    logging.getLogger().removeHandler(handler)


def test_a_line_says_who_when_and_what_it_is_about(written: Written) -> None:
    with about(run_id="r", source_id="dc_1"):
        logger.warning("one %s", "thing", extra={"fence": 7, "data": SECRET})
        structlog.get_logger("apps.tests").error("another.thing", path="x")
    first, second = written.lines
    assert first.items() >= {
        "event": "one thing", "level": "warning", "logger": "apps.tests", "process": "worker9",
        "run_id": "r", "source_id": "dc_1", "fence": 7,
    }.items()  # fmt: skip
    assert first["pid"] > 0
    assert first["timestamp"].endswith("Z")
    assert second.items() >= {"event": "another.thing", "path": "x", "run_id": "r"}.items()
    assert SECRET not in written.text


async def test_what_is_begun_apart_is_about_nobody(written: Written) -> None:
    async def say() -> None:
        logger.warning("said")

    with about(run_id="r"):
        mine = asyncio.create_task(say())
        others = apart(asyncio.create_task, say())
        await asyncio.gather(mine, others, asyncio.to_thread(logger.warning, "said in a thread"))
    logger.warning("after it")
    by_run = [(line["event"], line.get("run_id")) for line in written.lines]
    assert len(by_run) == 4
    assert set(by_run) == {
        ("after it", None), ("said", "r"), ("said", None), ("said in a thread", "r"),
    }  # fmt: skip


def test_what_the_database_quotes_of_a_row_is_not_told(written: Written, db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE kept (value text, CHECK (value = 'x')) ON COMMIT DROP")
        with pytest.raises(DatabaseError, match=SECRET) as refused:
            cursor.execute("INSERT INTO kept VALUES (%s)", [SECRET])
    error = refused.value
    logger.error("it failed: %s", error, exc_info=error)
    logger.warning("it failed: %r, 100%%", error)
    assert SECRET not in written.text
    first, second = written.lines
    assert "violates check constraint" in first["event"]
    assert "violates check constraint" in first["exception"]
    assert "test_logs.py" in first["exception"]
    assert second["event"].endswith("100%")


async def test_nor_of_errors_of_tasks_that_failed_together(written: Written, world: World) -> None:
    world.sql("CREATE TEMP TABLE kept (value text PRIMARY KEY)")
    value = f"a\r{SECRET}\n | {SECRET}"
    world.sql("INSERT INTO kept VALUES (%s)", value)

    async def fails() -> None:
        world.sql("INSERT INTO kept VALUES (%s)", value)

    with pytest.raises(BaseExceptionGroup) as refused:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fails())
    logger.error("it failed: %r", refused.value, exc_info=refused.value)
    assert SECRET not in written.text
    [line] = written.lines
    assert line["event"].count("violates unique constraint") == 1
    assert line["exception"].count("violates unique constraint") == 1
    assert "in fails" in line["exception"]


def test_nobody_writes_a_line_of_his_own_into_the_log(written: Written) -> None:
    hostile = 'x\n{"event": "forged"}\r\x1b[2J\u2028"'
    logger.warning("refused: %s", hostile, extra={"source_id": hostile})
    [line] = written.lines
    assert line["source_id"] == hostile
    assert "\x1b" not in written.text


async def test_lines_of_a_run_name_it_and_the_request(world: World, written: Written) -> None:
    """Also of two at once, and of runs that share a child: each names its own."""
    request_ids = {world.source(world.component()): f"{number:032x}" for number in range(2)}

    async def broken(*_: Any) -> Any:
        await asyncio.sleep(0)
        raise ValueError("a fault of ours")

    async with running(world) as runner:
        for source in request_ids:
            world.queue(source)
        runner.offer(request_ids)
        await quiet(world)
        assert written.lines == []
        doors: Doors = runner._doors
        runner._doors = replace(doors, grant=broken)
        for source, request_id in request_ids.items():
            world.queue(source, cause="http", key=request_id)
        runner.offer(request_ids)
        await quiet(world)
    told = [line for line in written.lines if "could not be carried out" in line["event"]]
    assert len(told) == 2
    for line in told:
        source, request_id = line["source_id"], line["request_id"]
        assert request_ids.pop(source) == request_id
        assert source in line["event"]
        assert line["run_id"] == str(run_id(source, "http", request_id))
        assert line["owner_id"] == world.owner
        assert (line["cause"], line["fence"] > 0) == ("http", True)
        assert "a fault of ours" in line["exception"]
