"""A counter: it has a prop, a timer, a store and dedupe. Make it yours."""

from headwater import IntegerProp, Source, Store, Timer, TimerEvent


class Counter(Source):
    name = "Counter"
    version = "0.0.1"
    description = "Counts on at each tick."
    dedupe = "unique"

    step = IntegerProp(label="Step", description="What is added at each tick.", default=1, min=1)
    timer = Timer(interval_seconds=900)
    db = Store()

    def run(self, event: TimerEvent) -> None:
        count = self.db.get("count", 0) + self.step
        self.db.set("count", count)
        self.emit({"count": count, "at": event.timestamp}, id=count, summary=f"count {count}")
