"""Which addresses the egress policy permits: the pure part of the wall around the network."""

from __future__ import annotations

import pytest

from tests.runtime.hostile.test_network import HOSTS
from workers.runtime.egress import Policy, name_servers, parse_entry, untouched

NAMES = ("localhost", "2130706433", "127.1", "0x7f000001")


@pytest.mark.parametrize("host", [h for h in HOSTS if h not in NAMES])
def test_the_policy_refuses(host: str) -> None:
    assert not Policy(()).permits(host, 443)


@pytest.mark.parametrize(
    "host", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_the_policy_permits_the_public_network(host: str) -> None:
    assert Policy(()).permits(host, 443)


def test_entries_of_the_setting() -> None:
    assert parse_entry("10.0.0.0/8")[1] is None
    assert parse_entry("10.1.2.3:8080")[1] == 8080
    assert parse_entry("[fd00::/8]:443") == (parse_entry("fd00::/8")[0], 443)
    for entry in ("", "nonsense", "10.0.0.0/33", "10.0.0.1:0", "10.0.0.1:99999", "[::1"):
        with pytest.raises(ValueError):
            parse_entry(entry)
    policy = Policy(("10.1.0.0/16:80", "[fd00::/8]"), ("10.0.0.53",))
    assert policy.permits("10.1.2.3", 80)
    assert not policy.permits("10.1.2.3", 81)
    assert policy.permits("::ffff:10.1.2.3", 80)
    assert policy.permits("fd12::1", 1)
    assert policy.permits("10.0.0.53", 53)
    assert not policy.permits("10.0.0.53", 80)
    assert untouched(("10.0.0.0/8", "127.0.0.0/8", "[::1]"), ("127.0.0.1:80",)) == [
        "10.0.0.0/8",
        "[::1]",
    ]
    assert name_servers()


def test_name_servers_are_reached_whatever_is_denied() -> None:
    policy = Policy((), ("10.0.0.53",), ("0.0.0.0/0",))
    assert policy.permits("10.0.0.53", 53)
    assert not policy.permits("10.0.0.53", 443)
    assert not policy.permits("1.1.1.1", 53)


def test_what_is_denied_stays_so_for_a_wider_policy() -> None:
    """As the installing of packages widens it by the addresses of registries."""
    policy = Policy((), (), ("10.0.0.1",)).widened(("10.0.0.0/24:443",))
    assert policy.permits("10.0.0.2", 443)
    assert not policy.permits("10.0.0.1", 443)
