"""What the hosts are busy with while one is cut off, and what must be there when it is over."""

from __future__ import annotations

import threading
import uuid
from collections import Counter

import httpx

from tests.acceptance import backups
from tests.acceptance.backups import Receiver, assert_stream
from tests.faults.fleet import assert_every_slot
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


class Caller:
    """Posts 1, 2, 3 … to an endpoint, each until it is accepted, as one who will not lose any."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.accepted = 0
        # Of what was answered otherwise: 0 is no answer at all.
        self.refused: Counter[int] = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._post, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, within_s: float = 60) -> None:
        """The number that is on its way is still brought home."""
        self._stop.set()
        self._thread.join(within_s)
        assert not self._thread.is_alive(), f"{self.accepted + 1} was not accepted"

    def _post(self) -> None:
        with httpx.Client(timeout=20) as client:
            while not self._stop.wait(0.05):
                number = self.accepted + 1
                key = uuid.uuid4().hex
                while (status := self._try(client, number, key)) != 200:
                    self.refused[status] += 1
                    # So that it does not hammer; nothing hangs on how long.
                    self._stop.wait(0.2)
                self.accepted = number

    def _try(self, client: httpx.Client, number: int, key: str) -> int:
        try:
            headers = {"Idempotency-Key": key}
            return client.post(self.endpoint, json={"number": number}, headers=headers).status_code
        except httpx.HTTPError:
            return 0


class Load:
    """Timers, and requests to emitters with a listener and a webhook."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.receiver = house.network.outside(lambda: Receiver(house.network.outside_address))
        self.tickers = [
            self._deploy(TICKER, configured_props={"timer": {"intervalSeconds": SLOW}})[0]
            for _ in range(TIMERS)
        ]
        self._pace(1)
        self.listener, _ = self._deploy(backups.LISTENER)
        hook = {"url": self.receiver.url("/hook")}
        webhook = house.ask("POST", "/webhooks", json=hook).json()["data"]["id"]
        self.callers: dict[str, Caller] = {}
        for _ in range(EMITTERS):
            emitter, endpoint = self._deploy(backups.EMITTER)
            for listener in (self.listener, webhook):
                parties = {"emitter_id": emitter, "listener_id": listener}
                house.ask("POST", "/subscriptions", params=parties)
            self.callers[emitter] = Caller(endpoint)
        house.network.outside(self._start)
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

    def _start(self) -> None:
        for caller in self.callers.values():
            caller.start()

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
        self._pace(SLOW)
        for caller in self.callers.values():
            caller.stop()
        self.receiver.close()

    # --- what must hold ---------------------------------------------------------------------------

    def assert_nothing_lost_and_nothing_twice(self) -> None:
        world = self.house.world
        assert world.sql("SELECT DISTINCT state FROM run") == [("succeeded",)]
        twice = "SELECT count(*) - count(DISTINCT (source_id, cause, key)) FROM run"
        assert world.one(twice) == 0
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
        assert {message for _, message in self.receiver.got} == announced
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
