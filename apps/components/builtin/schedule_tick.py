"""An event for each tick of a timer."""

import time
from datetime import UTC, datetime
from typing import Any

from headwater import Source, Timer, TimerEvent


class Tick(Source):
    name = "Schedule"
    key = "schedule-tick"
    version = "0.1.0"
    description = "Emit an event at every tick of an interval or a cron schedule."

    timer = Timer(interval_seconds=900)

    def run(self, event: Any) -> None:
        # A run by hand has no scheduled instant, and any JSON value for an event: it ticks now.
        tick = dict(event) if isinstance(event, TimerEvent) else {}
        moment = datetime.fromtimestamp(tick.get("timestamp", time.time()), UTC)
        payload = {**tick, "timestamp": int(moment.timestamp()), "time": moment}
        self.emit(payload, summary=moment.isoformat(), ts=moment)
