"""Whose address counts behind proxies."""

from __future__ import annotations

import pytest

from apps.api.failures import key_of
from apps.api.proxies import client_address, parse

PROXIES = [parse("10.0.0.0/8"), parse("2001:db8::/32")]


@pytest.mark.parametrize(
    ("peer", "told", "address"),
    [
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("::ffff:10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.5, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.5", "198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.5, 198.51.100.7, 10.9.9.9"], "198.51.100.7"),
        ("2001:db8::1", ["[2001:dead::7]:4711"], "2001:dead::7"),
        ("10.0.0.1", ["198.51.100.7:4711"], "198.51.100.7"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7, , 10.1.1.1"], "10.1.1.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["\xff, 198.51.100.7"], "198.51.100.7"),
        ("", ["198.51.100.7"], ""),
    ],
)
def test_only_the_word_of_a_trusted_proxy_counts(peer: str, told: list[str], address: str) -> None:
    headers = [(b"host", b"x"), *((b"x-forwarded-for", one.encode("latin-1")) for one in told)]
    assert client_address(peer, headers, PROXIES) == address
    assert client_address(peer, headers, []) == peer


def test_a_client_of_ipv6_is_its_network_of_64_bits() -> None:
    assert key_of("2001:db8:1:2::1") == key_of("2001:db8:1:2:ffff::9")
    assert key_of("2001:db8:1:2::1") != key_of("2001:db8:1:3::1")
    assert key_of("::ffff:192.0.2.1") == key_of("192.0.2.1")
    assert key_of("192.0.2.1") != key_of("192.0.2.2")
    assert key_of("no address") == key_of("no address")
