"""Which addresses the egress policy permits: the pure part of the wall around the network."""

from __future__ import annotations

import pytest

from workers.runtime.egress import Policy, name_servers, parse_entry, untouched

HOSTS = (
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
    "2002:7f00:1::", "169.254.169.254", "10.0.0.1", "192.168.0.1", "172.16.0.1", "100.64.0.1",
    "fe80::1", "fd00::1", "224.0.0.1", "255.255.255.255",
)  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
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
