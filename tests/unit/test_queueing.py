"""Whose source gets the next slot."""

from __future__ import annotations

from workers.queueing import REMEMBERED, Queue


def queue_of(share: int = 100, **lines: int) -> Queue:
    """`a=2`: the sources a0, a1 of the owner a, in this order."""
    queue = Queue(share)
    ids = [f"{owner}{i}" for owner, count in lines.items() for i in range(count)]
    queue.offer(ids)
    queue.learn(queue.strangers(), {source_id: source_id[0] for source_id in ids})
    return queue


def test_owners_in_turn_and_first_come_first_served_within_one() -> None:
    queue = queue_of(a=4, b=1, c=2)
    assert queue.choose(5, []) == ["a0", "b0", "c0", "a1", "c1"]
    assert queue.choose(5, []) == ["a2", "a3"]
    assert len(queue) == 0


def test_the_turn_goes_on_where_it_stood() -> None:
    queue = queue_of(a=3, b=3)
    assert [queue.choose(1, []) for _ in range(4)] == [["a0"], ["b0"], ["a1"], ["b1"]]


def test_a_source_stands_once() -> None:
    queue = queue_of(a=2)
    queue.offer(["a1", "a0", "a1"])
    assert len(queue) == 2
    assert queue.choose(9, []) == ["a0", "a1"]
    queue.offer(["a0"])
    assert queue.strangers() == []
    assert queue.choose(9, []) == ["a0"]


def test_an_owner_has_its_share_at_most_and_keeps_its_turn() -> None:
    queue = queue_of(share=2, a=3, b=1)
    assert queue.choose(9, ["a0"]) == ["a0", "b0"]
    assert queue.choose(9, ["a0", "a1"]) == []
    assert len(queue) == 2
    queue.offer(["b0"])
    assert queue.choose(1, ["a0"]) == ["a1"]


def test_a_source_that_is_gone_is_forgotten() -> None:
    queue = Queue(9)
    queue.offer(["a0", "gone"])
    assert queue.strangers() == ["a0", "gone"]
    assert queue.choose(9, []) == []
    queue.learn(queue.strangers(), {"a0": "a"})
    assert (queue.strangers(), len(queue), queue.choose(9, [])) == ([], 1, ["a0"])


def test_one_that_comes_while_owners_are_asked_for_is_asked_for_next() -> None:
    queue = Queue(9)
    queue.offer(["a0"])
    asked = queue.strangers()
    queue.offer(["b0"])
    queue.learn(asked, {"a0": "a"})
    assert (queue.strangers(), len(queue), queue.choose(9, [])) == (["b0"], 2, ["a0"])


def test_so_many_owners_are_remembered() -> None:
    queue = Queue(9)
    ids = [f"s{i}" for i in range(REMEMBERED + 1)]
    queue.offer(ids)
    queue.learn(ids, dict.fromkeys(ids, "a"))
    queue.choose(len(ids), [])
    queue.offer(["s0", "s1"])
    assert queue.strangers() == ["s0"]
