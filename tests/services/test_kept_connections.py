"""A connection that was kept open and ends just as the next request is sent on it: what may be
asked twice is asked again at once, a delivery is tried again on its schedule."""

from __future__ import annotations

from tests.making import World
from tests.services.delivering import client, delivering, emitted, history, settle, states, webhook
from tests.services.receivers import Request, Writer, answer_ok, receiving, reset


class Ending:
    """Answers the first request of each connection; the `number`th of all ends its connection
    without a word."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.got = 0
        # Writers as they came: the same one means the same connection.
        self.writers: list[Writer] = []

    async def __call__(self, request: Request, writer: Writer) -> None:
        self.got += 1
        self.writers.append(writer)
        await (reset if self.got == self._number else answer_ok)(request, writer)

    def on_kept(self) -> bool:
        """The request that got no answer came on the connection of the one before."""
        return self.writers[self._number - 1] is self.writers[self._number - 2]


async def test_a_get_is_asked_again_on_a_fresh_connection() -> None:
    ending, calling = Ending(2), client(20)
    async with receiving(ending) as receiver:
        for _ in range(2):
            page = await calling.get(receiver.url, longest=10, redirects=0, schemes=("http",))
            assert page.body == b"ok"
        assert ending.on_kept()
        assert (len(receiver.got), receiver.connections) == (3, 2)
    await calling.close()


async def test_g4_a_delivery_is_not_lost_and_tried_again_with_the_same_id(world: World) -> None:
    """The receiver may have taken it: so it is not sent again at once, and the attempt is told."""
    ending = Ending(2)
    async with receiving(ending) as receiver, delivering(world) as delivery:
        emitted(world, webhook(world, receiver.url))
        await settle(world, delivery)
        hook = webhook(world, receiver.url)
        emitted(world, hook)
        await settle(world, delivery)
        assert ending.on_kept()
        assert states(world, hook) == ["pending"]
        assert [one["error"] for one in history(world, hook)] == ["connection_failed"]
        assert len(receiver.got) == 2
        world.move_clock(60)
        await settle(world, delivery)
        assert states(world, hook) == ["delivered"]
        assert receiver.got[1].id == receiver.got[2].id
        assert receiver.connections == 2
