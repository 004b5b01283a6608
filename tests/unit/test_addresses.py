"""Which addresses may be called: every border of every special network, and the one policy that
the platform and the supervisor of components share."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import addresses
from apps.core.addresses import BadUrl, Policy, Target, check_url
from workers.runtime import egress

REFUSED = [
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.0.1",
    "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
    "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:a9fe:a9fe::",
    "2002:7f00:1::1", "3fff::1", "5f00::1", "fc00::1", "fd00::1", "fe80::1", "fe80::1%eth0",
    "fec0::1", "ff02::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
]  # fmt: skip
PERMITTED = [
    "1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0",
    "223.255.255.255", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808",
    "2002:808:808::1",
]  # fmt: skip
ALLOW = ("10.1.0.0/16", "127.0.0.1/32:8080", "[fd00::/8]", "[::1]:443")
DENY = ("8.8.8.8", "10.1.9.0/24", "127.0.0.1/32:8080", "[2606:4700::/32]:443", "64:ff9b::/96")


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_not_global_is_refused(address: str) -> None:
    assert not Policy().permits(address, 80)


@pytest.mark.parametrize("address", PERMITTED)
def test_what_is_global_is_permitted(address: str) -> None:
    assert Policy().permits(address, 80)


@pytest.mark.parametrize(
    ("address", "port", "permitted"),
    [
        ("10.1.2.3", 1, True),
        ("10.2.0.1", 1, False),
        ("127.0.0.1", 8080, True),
        ("127.0.0.1", 8081, False),
        ("127.0.0.2", 8080, False),
        ("::ffff:127.0.0.1", 8080, True),
        ("::ffff:127.0.0.1", 80, False),
        ("fd12::1", 80, True),
        ("::1", 443, True),
        ("::1", 80, False),
    ],
)
def test_the_operator_opens_networks_and_ports(address: str, port: int, permitted: bool) -> None:
    assert Policy(ALLOW).permits(address, port) is permitted


@pytest.mark.parametrize(
    ("address", "port", "permitted"),
    [
        ("8.8.8.8", 443, False),
        ("::ffff:8.8.8.8", 443, False),
        ("2002:808:808::1", 443, False),
        ("8.8.4.4", 443, True),
        ("64:ff9b::808:404", 443, False),
        ("10.1.2.3", 80, True),
        ("10.1.9.3", 80, False),
        ("127.0.0.1", 8080, False),
        ("2606:4700::1", 443, False),
        ("2606:4700::1", 80, True),
    ],
)
def test_what_the_operator_closes_is_closed_whatever_is_open(
    address: str, port: int, permitted: bool
) -> None:
    assert Policy(ALLOW, DENY).permits(address, port) is permitted
    assert Policy(DENY, DENY).permits(address, port) is (permitted and address[0] != "1")
    everything = Policy(ALLOW, ("0.0.0.0/0", "::/0"))
    assert not everything.permits(address, port)


@pytest.mark.parametrize("entry", ["", "x", "10.0.0.0/33", "10.0.0.0/8:0", "10.0.0.0/8:x", "[::1"])
def test_an_entry_that_cannot_be_read_is_an_error(entry: str) -> None:
    for policy in (Policy, egress.Policy):
        with pytest.raises(ValueError):
            policy((entry,))
        with pytest.raises(ValueError):
            policy((), deny=(entry,))


def _borders() -> Iterator[str]:
    """First and last address of each network that either side names, and their neighbours; IPv4
    ones also in every form that carries them."""
    networks = {*addresses.REFUSED, *egress._REFUSED, ipaddress.ip_network("2000::/3")}
    for network in sorted(networks, key=str):
        kind = type(network.network_address)
        for number in (
            int(network[0]) - 1,
            int(network[0]),
            int(network[-1]),
            int(network[-1]) + 1,
        ):
            if not 0 <= number < 1 << network.max_prefixlen:
                continue
            yield str(kind(number))
            if network.version == 4:
                yield str(ipaddress.IPv6Address(0xFFFF << 32 | number))
                yield str(ipaddress.IPv6Address(0x64FF9B << 96 | number))
                yield str(ipaddress.IPv6Address(0x2002 << 112 | number << 80))


def _one_answer(address: str) -> None:
    for allow, deny in (((), ()), (ALLOW, ()), (ALLOW, DENY), ((), DENY)):
        for port in (80, 443, 8080):
            ours, theirs = Policy(allow, deny), egress.Policy(allow, deny=deny)
            assert ours.permits(address, port) == theirs.permits(address, port), (address, port)


@pytest.mark.parametrize("address", [*_borders(), *REFUSED, *PERMITTED])
def test_components_and_the_platform_have_one_policy(address: str) -> None:
    _one_answer(address)


@given(st.ip_addresses().map(str))
def test_components_and_the_platform_have_one_policy_for_any_address(address: str) -> None:
    _one_answer(address)


@given(st.sampled_from(["2000::/3", "::/8", "fc00::/6", "2001::/16"]), st.integers(0, 2**128 - 1))
def test_also_where_the_special_ones_lie(network: str, number: int) -> None:
    within = ipaddress.IPv6Network(network)
    address = int(within[0]) | number & int(within.hostmask)
    _one_answer(str(ipaddress.IPv6Address(address)))


# --- URLs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("http://example.com", "example.com", "/"),
        ("HTTP://Example.COM:80?x=1", "example.com", "/?x=1"),
        ("https://example.com:443/a#frag", "example.com", "/a"),
        ("https://example.com:80/", "example.com:80", "/"),
        ("http://bücher.example/ü ".rstrip(), "xn--bcher-kva.example", "/%C3%BC"),
        ("http://h/a%2Fb?c=%20d&e[]=1", "h", "/a%2Fb?c=%20d&e[]=1"),
        ("http://[2606:4700::1]:81/", "[2606:4700::1]:81", "/"),
        ("http://8.8.8.8/", "8.8.8.8", "/"),
    ],
)
def test_a_url_is_called_as_it_is_written(url: str, authority: str, path: str) -> None:
    target = Target(url)
    assert (target.authority, target.path) == (authority, path)


@pytest.mark.parametrize("url", ["http://127.1/", "http://0x7f000001/", "http://①②⑦.⓪.⓪.①/"])
def test_odd_numbers_are_refused_even_where_loopback_is_open(url: str) -> None:
    with pytest.raises(BadUrl):
        check_url(url, Policy(("127.0.0.0/8",)))


@given(st.text())
def test_any_text_is_a_url_or_refused(text: str) -> None:
    for url in (text, f"http://{text}", f"http://example.com/{text}"):
        try:
            target = Target(url)
        except BadUrl:
            continue
        assert target.authority.isascii()
        assert target.path.isascii()
        assert target.path.startswith("/")
        assert not set(target.authority + target.path) & set(" \r\n\t\\\0")
        assert "@" not in target.authority
