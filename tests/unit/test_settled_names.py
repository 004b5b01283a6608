"""EGRESS_RESOLVE: the platform and components read the same entries, and see the same addresses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from apps.core.names import by_table
from workers.runtime.names import Routes, parse, stand_ins

Seen = list[tuple[str, int]]
Reader = Callable[[list[str], str], Seen]


def of_the_platform(entries: list[str], host: str) -> Seen:
    """What its client dials for port 443 of `host`, in order."""
    found = by_table(entries)(host, 443)
    return [one if isinstance(one, tuple) else (one, 443) for one in found]


def of_components(entries: list[str], host: str) -> Seen:
    """What the supervisor dials when a child tries what the name server answered, in order."""
    routes = Routes(entries, ("192.0.2.53",), ("127.0.0.1", 5353))
    answered = stand_ins([parse(entry) for entry in entries])[host.lower().removesuffix(".")]
    found = [routes.settled(address, 443) for address in answered]
    return [one for one in found if one is not None]


READERS = [of_the_platform, of_components]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("entries", "host", "seen"),
    [
        (["a.example=10.0.0.1"], "a.example", [("10.0.0.1", 443)]),
        (["A.Example=10.0.0.1"], "a.eXample", [("10.0.0.1", 443)]),
        (["a.example.=10.0.0.1"], "a.example", [("10.0.0.1", 443)]),
        (["a.example=10.0.0.1"], "a.example.", [("10.0.0.1", 443)]),
        ([" a.example = 10.0.0.1:8443 "], "a.example", [("10.0.0.1", 8443)]),
        (["a.example=fd00::1"], "a.example", [("fd00::1", 443)]),
        (["a.example=[fd00::1]"], "a.example", [("fd00::1", 443)]),
        (["a.example=[FD00:0::1]:8443"], "a.example", [("fd00::1", 8443)]),
        (
            ["a.example=10.0.0.2:81", "b=10.0.0.9", "A.example.=fd00::1", "a.example=10.0.0.1"],
            "a.example",
            [("10.0.0.2", 81), ("fd00::1", 443), ("10.0.0.1", 443)],
        ),
    ],
)  # fmt: skip
def test_entries(read: Reader, entries: list[str], host: str, seen: Seen) -> None:
    assert read(entries, host) == seen


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "entry",
    [
        "", "a.example", "a.example=", "=10.0.0.1", ".=10.0.0.1", "a=b", "a=10.0.0.0/8",
        "a=1.1.1.1:0", "a=1.1.1.1:65536", "a=1.1.1.1:x", "a=1.1.1.1:", "a=[::1", "a=[::1]x",
        "a=[::1]:", "a=1.1.1.1=2",
    ],
)  # fmt: skip
def test_entries_that_cannot_be_read(read: Reader, entry: str) -> None:
    with pytest.raises(ValueError) as raised:
        read([entry], "a")
    assert str(raised.value) == f"not host=address or host=address:port: {entry!r}"
