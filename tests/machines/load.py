"""What the hosts are busy with while one is cut off, and what must be there when it is over."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from functools import partial

from tests.calling import EMITTER, LISTENER, Caller
from tests.invariants import assert_each_ran_once, assert_every_slot, assert_stream
from tests.loopback import Receiver
from tests.machines.house import House
from tests.making import until

TIMERS = 2
SLOW = 15
EMITTERS = 2
TICKER = """
from headwater import Source, Store, Timer


class Ticker(Source):
    name = "Ticker"
    version = "0.0.1"
    timer = Timer()
    db = Store()

    def run(self, event):
        count = self.db.get("count", 0) + 1
        self.db.set("count", count)
        self.emit({"count": count})
"""


class Load:
    """Timers, and requests to emitters with a listener and a webhook."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._opened = ExitStack()
        self.receiver = house.network.outside(lambda: Receiver(house.network.outside_address))
        self._opened.callback(self.receiver.close)
        self.tickers: list[str] = []
        self.listener = ""
        # By the emitter that they call.
        self.callers: dict[str, Caller] = {}

    def start(self) -> None:
        """Everything; it goes on."""
        for _ in range(TIMERS):
            timer = {"timer": {"intervalSeconds": SLOW}}
            self.tickers.append(self._deploy(TICKER, configured_props=timer)[0])
        self._pace(1)
        self.listener, _ = self._deploy(LISTENER)
        hook = {"url": self.receiver.url("/hook")}
        webhook = self.house.ask("POST", "/webhooks", json=hook).json()["data"]["id"]
        for _ in range(EMITTERS):
            emitter, endpoint = self._deploy(EMITTER)
            for listener in (self.listener, webhook):
                parties = {"emitter_id": emitter, "listener_id": listener}
                self.house.ask("POST", "/subscriptions", params=parties)
            caller = self.house.network.outside(partial(Caller, endpoint, 0.05))
            self._opened.callback(caller.stop)
            self.callers[emitter] = caller
        self.goes_on()

    def _deploy(self, code: str, **more: object) -> tuple[str, str]:
        """A source's id, and its endpoint where it has one."""
        answer = self.house.ask("POST", "/sources", json={"component_code": code, **more})
        made = answer.json()["data"]
        return made["id"], made["configured_props"].get("http", {}).get("endpoint_url", "")

    def _pace(self, seconds: int) -> None:
        """The API allows no interval under 15 seconds; with it back, the ledger is as it was."""
        self.house.world.sql(
            "UPDATE sources_timer SET next_fire_at = next_fire_at + (%s - interval_seconds)"
            " * interval '1 second', interval_seconds = %s WHERE source_id = ANY(%s)",
            seconds, seconds, self.tickers,
        )  # fmt: skip

    @property
    def refused(self) -> Counter[int]:
        return sum((caller.refused for caller in self.callers.values()), Counter())

    def goes_on(self, within_s: float = 30) -> None:
        """Wait until every part of it gets further."""
        world = self.house.world
        sources = [*self.tickers, *self.callers, self.listener]

        def amounts() -> dict[str, int]:
            accepted = {caller.endpoint: caller.accepted for caller in self.callers.values()}
            runs = {source: len(world.runs(source)) for source in sources}
            return {"webhook": len(self.receiver.got), **accepted, **runs}

        before = amounts()
        stands: list[str] = []

        def all_moved() -> bool:
            now = amounts()
            stands[:] = [part for part, amount in now.items() if amount <= before[part]]
            return not stands

        try:
            until(all_moved, within_s)
        except AssertionError:
            raise AssertionError(f"no progress within {within_s} s: {stands} of {before}") from None

    def end(self) -> None:
        """No more requests and ticks; everything that is under way comes home."""
        world = self.house.world
        for caller in self.callers.values():
            caller.stop()
        self._pace(SLOW)
        for ticker in self.tickers:
            self.house.ask("PUT", f"/sources/{ticker}", json={"active": False})
        until(world.is_quiet, 60)
        until(lambda: self._deliveries() == [("delivered",)], 60)

    def _deliveries(self) -> list[tuple[str]]:
        asked = "SELECT DISTINCT state FROM delivery WHERE emitter_id = ANY(%s)"
        return self.house.world.sql(asked, list(self.callers))

    def close(self) -> None:
        """Also of a test that has failed: the next one has the hosts to itself."""
        with self._opened:
            self._pace(SLOW)

    # --- what must hold ---------------------------------------------------------------------------

    def assert_nothing_lost_and_nothing_twice(self) -> None:
        world = self.house.world
        assert_each_ran_once(world)
        carried: list[int] = []
        announced: set[str] = set()
        for emitter, caller in self.callers.items():
            numbers = [event.payload["number"] for event in world.events(emitter)]
            assert numbers == world.counts(emitter) == list(range(1, caller.accepted + 1))
            assert world.store(emitter) == {"count": caller.accepted}
            carried += numbers
            announced |= {f"{emitter}_{event.id}" for event in world.events(emitter)}
        listened = [event.payload["number"] for event in world.events(self.listener)]
        assert sorted(listened) == sorted(carried)
        assert self._deliveries() == [("delivered",)]
        assert {posted.headers["webhook-id"] for posted in self.receiver.got} == announced
        for ticker in self.tickers:
            ticks = len(world.runs(ticker))
            assert world.counts(ticker) == list(range(1, ticks + 1))
            assert world.store(ticker) == {"count": ticks}
            assert_every_slot(world, ticker)
        self._assert_ledger()

    def _assert_ledger(self) -> None:
        assert "0 differences" in self.house.manage("verify_ledger")
        with self.house.redis() as client:
            for (source,) in self.house.world.sql("SELECT id FROM sources_source"):
                assert_stream(client, self.house.world, source)
