"""Component specification 7.2, 7.3 and acceptance cases 2 to 5; DESIGN section 7 (`unique`)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.events import dedupe
from apps.runs.contract import Emit


def emits(*ids: Any, channel: str = "") -> list[Emit]:
    return [
        Emit(b"{}", channel, {} if value is None else {"id": value}, at_ms=position)
        for position, value in enumerate(ids)
    ]


class Source:
    """One source's memory over several runs, stored and loaded between them."""

    def __init__(self, strategy: str | None) -> None:
        self.strategy = strategy
        self.raw = b"{}"

    def run(self, *ids: Any, channel: str = "", succeeded: bool = True) -> list[Any]:
        return [
            e.meta.get("id") for e in self.sift(*ids, channel=channel, succeeded=succeeded).passed
        ]

    def sift(self, *ids: Any, channel: str = "", succeeded: bool = True) -> dedupe.Sifted[Emit]:
        memory = dedupe.load(self.raw)
        sifted = dedupe.sift(
            self.strategy, memory, emits(*ids, channel=channel), succeeded=succeeded
        )
        if sifted.changed:
            self.raw = dedupe.dump(memory)
        return sifted


def test_without_a_strategy_everything_passes_and_nothing_is_remembered() -> None:
    source = Source(None)
    assert source.run("a", "a", None) == ["a", "a", None]
    assert source.raw == b"{}"


def test_unique_suppresses_what_it_has_seen() -> None:
    source = Source("unique")
    assert source.run(*range(10)) == list(range(10))
    assert source.run(*range(10)) == []
    assert source.run(*range(11)) == [10]


def test_unique_forgets_the_oldest_of_more_than_a_hundred_ids() -> None:
    source = Source("unique")
    for number in range(101):
        assert source.run(number) == [number]
    assert source.run(1) == []
    assert source.run(0) == [0]


def test_a_hit_does_not_refresh_its_place() -> None:
    source = Source("unique")
    for number in range(100):
        source.run(number)
    source.run(0)
    source.run(100)
    source.run(101)
    assert source.run(0) == [0]


def test_a_feed_longer_than_the_memory_does_not_repeat_itself() -> None:
    source = Source("unique")
    feed = [f"item-{n}" for n in range(730)]
    assert source.run(*feed) == feed
    assert source.run(*feed) == []
    assert source.run() == []  # a poll that answered 304
    assert source.run(*feed) == []
    assert source.run(*feed, "new") == ["new"]
    assert source.run(*feed, "new") == []


def test_a_failed_run_does_not_replace_the_remembered_batch() -> None:
    source = Source("unique")
    feed = [f"item-{n}" for n in range(300)]
    source.run(*feed)
    assert source.run(*feed[:5], succeeded=False) == []
    assert source.run(*feed) == []


def test_unique_drops_the_second_of_equal_ids_in_one_batch() -> None:
    assert Source("unique").run("a", "b", "a") == ["a", "b"]


def test_unique_compares_text() -> None:
    source = Source("unique")
    assert source.run(1) == [1]
    assert source.run("1", 1.0, "A") == ["A"]
    assert source.run("a") == ["a"]


def test_an_id_of_any_length_is_remembered() -> None:
    source = Source("unique")
    long = "x" * 5000
    assert source.run(long) == [long]
    assert source.run(long) == []
    assert source.run(long + "y") == [long + "y"]


def test_a_missing_id_is_not_emitted_and_counted() -> None:
    for strategy in ("unique", "greatest"):
        sifted = Source(strategy).sift(None, 1)
        assert [reason for _, reason in sifted.suppressed] == ["missing_id"]
        assert len(sifted.passed) == 1


def test_each_channel_has_its_own_memory() -> None:
    """C7."""
    source = Source("unique")
    assert source.run("x", channel="self") == ["x"]
    assert source.run("x") == ["x"]
    assert source.run("x") == []


def test_greatest_compares_with_the_memory_before_the_batch() -> None:
    """C2."""
    source = Source("greatest")
    assert source.run(*range(30, 0, -1)) == list(range(30, 0, -1))
    assert source.run(*range(30, 0, -1)) == []
    assert source.run("31") == ["31"]
    assert source.run("31", 31) == []
    assert source.run(32, 32) == [32]


def test_greatest_refuses_what_is_no_number() -> None:
    source = Source("greatest")
    sifted = source.sift("x", True, "", "NaN", "Infinity", 1)
    assert [e.meta["id"] for e in sifted.passed] == [1]
    assert {reason for _, reason in sifted.suppressed} == {"not_numeric"}


def test_greatest_is_exact_above_2_to_the_53() -> None:
    source = Source("greatest")
    assert source.run(2**53) == [2**53]
    assert source.run(2**53 + 1) == [2**53 + 1]
    assert source.run(str(2**53 + 1)) == []


def test_last_passes_what_comes_after_the_remembered_id() -> None:
    source = Source("last")
    assert source.run("a", "b", "c") == ["a", "b", "c"]
    assert source.run("a", "b", "c", "d") == ["d"]
    assert source.run("x", "y") == ["x", "y"]
    assert source.run("x", "y") == []
    assert source.run() == []


def test_last_takes_the_nearest_earlier_id_for_its_memory() -> None:
    source = Source("last")
    assert source.run("a", "b", None) == ["a", "b", None]
    assert source.run("b", None, "c") == [None, "c"]


def test_a_changed_strategy_starts_with_an_empty_memory() -> None:
    source = Source("unique")
    source.run("1", "2")
    source.strategy = "greatest"
    assert source.run("1") == ["1"]


def test_events_are_stored_in_the_order_of_their_time() -> None:
    batch = [
        Emit(b"3", "", {"ts": 3}, at_ms=10),
        Emit(b"1", "", {"ts": 1}, at_ms=11),
        Emit(b"now", "", {}, at_ms=12),
        Emit(b"2", "", {"ts": 2}, at_ms=13),
    ]
    assert [e.payload for e in dedupe.in_order(batch)] == [b"1", b"2", b"3", b"now"]


@pytest.mark.parametrize("strategy", ["unique", "greatest", "last"])
@given(runs=st.lists(st.lists(st.integers(0, 40), max_size=8), max_size=12))
def test_what_was_just_offered_is_never_emitted_again_at_once(
    strategy: str, runs: list[list[int]]
) -> None:
    source = Source(strategy)
    for batch in runs:
        source.run(*sorted(batch))
        assert source.run(*sorted(batch)) == []
        assert dedupe.dump(dedupe.load(source.raw)) == source.raw or source.raw == b"{}"
