"""The threads of a scheduler's process: what it says last is that it stops."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import redis

from tests.making import World
from workers import scheduler
from workers.hosts import SchedulerHost


def test_a_scheduler_that_stops_in_the_midst_of_a_tick_has_stopped(
    world: World, streams: redis.Redis, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal interrupts what the main thread does; that goes on when all is said."""
    settings.TICK_SECONDS = 3600.0
    host = SchedulerHost()

    def interrupted() -> int:
        if threading.current_thread() is threading.main_thread():
            host.stop()
        return 0

    monkeypatch.setattr(scheduler, "step", interrupted)
    host.start()
    host.tick()
    assert world.sql("SELECT state FROM process WHERE kind = 'scheduler'") == [("stopped",)]
