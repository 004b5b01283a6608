"""URLs, addresses, entries of EGRESS_ALLOW and EGRESS_DENY."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from apps.api import proxies
from apps.core import names
from apps.core.addresses import BadUrl, Policy, Target, parse_entry, unwrap
from tests.fuzz.texts import ANY
from workers.runtime import egress
from workers.runtime import names as settled

_WORDS = st.sampled_from(
    [
        "http://",
        "https://",
        "HTTP://",
        "file:",
        "//",
        "/",
        "\\",
        "@",
        ":",
        ":80",
        ":0",
        ":65536",
        ":٣",
        "?",
        "#",
        "[",
        "]",
        "%",
        "%00",
        "%2e",
        "%25eth0",
        ".",
        "..",
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "①②⑦.⓪.⓪.①",
        "。",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "localhost",
        "LOCALHOST.",
        "example.com",
        "xn--",
        "xn--a",
        "ß",
        "ſ",
        "K",
        "-",
        "_",
        "a" * 64,
        "\t",
        "\n",
        "\r",
        " ",
        "\x00",
        "\u2028",
        "\u200b",
        "\u3002",
        "169.254.169.254",
        "user:pw@",
        "&",
        "=",
        ";",
        ",",
        "'",
    ]
)
URLS = st.lists(_WORDS | st.text(max_size=3), max_size=8).map("".join)


@given(ANY | URLS | URLS.map("http://{}".format) | URLS.map("https://example.com{}".format))
@example("http://127.0.0.1\u3002/")
@example("http://0x7f.1")
@example("http://exam\u200bple.com")
@example("http://a;b@c/")
@example("http://:@example.com/")
def test_a_url_that_passes_has_one_reading(text: str) -> None:
    """The client dials what was checked: yarl takes it apart as we do, and no resolver would take
    the host for a number that was not seen as one."""
    try:
        target = Target(text)
    except BadUrl as refused:
        str(refused).encode()
        return
    assert urlsplit(text).username is None
    assert urlsplit(text).password is None
    whole = f"{target.scheme}://{target.authority}{target.path}"
    assert whole.isascii()
    dialled = URL(whole, encoded=True)
    assert (dialled.scheme, dialled.port) == (target.scheme, target.port)
    assert dialled.raw_host == target.host
    assert dialled.user is None
    assert dialled.password is None
    assert dialled.raw_path_qs == target.path or "?" in target.path
    again = Target(whole)
    assert (again.host, again.port, again.path) == (target.host, target.port, target.path)
    if target.address is not None:
        assert ipaddress.ip_address(target.host) == target.address
        return
    for family, read in ((socket.AF_INET, socket.inet_aton), (socket.AF_INET6, None)):
        try:
            read(target.host) if read else socket.inet_pton(family, target.host)
        except OSError:
            continue
        raise AssertionError(f"{target.host} is an address to a resolver")


ADDRESSES = (
    st.ip_addresses()
    | st.ip_addresses(v=4)
    | st.builds(
        lambda n, i: ipaddress.ip_network(n)[i % 256],
        st.sampled_from(
            [
                "10.0.0.0/8",
                "100.64.0.0/10",
                "169.254.0.0/16",
                "192.88.99.0/24",
                "224.0.0.0/4",
                "240.0.0.0/4",
                "fec0::/10",
                "fc00::/7",
                "fe80::/10",
                "2001::/32",
                "2002::/16",
                "64:ff9b::/96",
                "ff00::/8",
                "::/96",
                "::ffff:0:0/96",
                "2001:db8::/32",
                "3fff::/20",
                "5f00::/16",
                "64:ff9b:1::/48",
            ]
        ),
        st.integers(0, 255),
    )
)


@given(ADDRESSES)
@example(ipaddress.ip_address("192.88.99.1"))
@example(ipaddress.ip_address("::7f00:1"))
@example(ipaddress.ip_address("64:ff9b:1::1"))
def test_what_is_permitted_is_global_to_the_ipaddress_module_too(address: Any) -> None:
    ours, theirs = Policy().permits(str(address), 443), egress.Policy(()).permits(str(address), 443)
    assert ours == theirs
    if not ours:
        return
    for one in {address, unwrap(address)}:
        assert not one.is_multicast
        assert not one.is_link_local
        assert not one.is_loopback
        assert not one.is_unspecified
        assert not getattr(one, "is_site_local", False)
    assert unwrap(address).is_global
    assert not unwrap(address).is_reserved


@given(st.ip_addresses(v=4))
def test_the_address_inside_is_found_in_every_form(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    mapped = ipaddress.IPv6Address(0xFFFF << 32 | number)
    six = ipaddress.IPv6Address(0x2002 << 112 | number << 80)
    assert unwrap(mapped) == mapped.ipv4_mapped == address
    assert unwrap(six) == six.sixtofour == address
    assert unwrap(ipaddress.IPv6Address(0x64FF9B << 96 | number)) == address
    assert unwrap(address) == address


NETWORKS = st.builds(
    lambda address, bits: ipaddress.ip_network(
        f"{address}/{min(bits, address.max_prefixlen)}", False
    ),
    st.ip_addresses(),
    st.integers(0, 128),
)


@given(NETWORKS, st.none() | st.integers(1, 65535))
def test_an_entry_comes_back(network: Any, port: int | None) -> None:
    texts = [f"[{network}]", f" [{network}] "] if port is None else [f"[{network}]:{port}"]
    if port is None:
        texts.append(str(network))
    elif network.version == 4:
        texts.append(f"{network}:{port}")
    for text in texts:
        assert parse_entry(text) == egress.parse_entry(text) == (network, port)


def _entry(read: Any, text: str) -> Any:
    try:
        return read(text)
    except ValueError:
        return None


@given(ANY | st.text("0123456789abcdef.:/[]_ +-٣\n", max_size=30))
@example("10.0.0.0/8:8_0")
@example("10.0.0.0/8: 80")
@example("10.0.0.0/8:٨٠")
@example("[::1]:+80")
@example("[]")
@example("10.0.0.0/8:")
def test_any_text_is_an_entry_for_both_or_for_none(text: str) -> None:
    found = _entry(parse_entry, text)
    assert found == _entry(egress.parse_entry, text)
    if found is not None:
        network, port = found
        assert port is None or (0 < port < 65536 and text.strip().endswith(f":{port}"))
        written = f"[{network}]" + ("" if port is None else f":{port}")
        assert parse_entry(written) == found


@given(ANY | st.text("abc.=:[]0123456789 /-", max_size=30))
@example("a=10.0.0.1:80")
@example("A.=[::1]:80")
@example("=10.0.0.1")
@example("a=10.0.0.0/8")
def test_any_text_is_a_settled_name_for_both_or_for_none(text: str) -> None:
    ours, theirs = _entry(names.parse, text), _entry(settled.parse, text)
    assert (ours is None) == (theirs is None)
    if ours is not None:
        host, address, port = ours
        assert (theirs.host, theirs.address, theirs.port) == ours
        written = f"{host}=[{address}]" + ("" if port is None else f":{port}")
        assert names.parse(written) == ours


_PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]
_OWN = st.sampled_from(["10.0.0.1", "10.9.9.9:80", "[fd00::1]:80", "fd00::2", "::ffff:10.0.0.1"])
_FOREIGN = st.ip_addresses().filter(
    lambda address: not any(unwrap(address) in network for network in _PROXIES)
)


@given(ANY | st.text("10.9,fd: []", max_size=40), _FOREIGN, st.lists(_OWN, min_size=1, max_size=4))
@example("10.0.0.1", ipaddress.ip_address("192.0.2.1"), ["10.0.0.1"])
@example("1.1.1.1, 10.0.0.1", ipaddress.ip_address("::ffff:8.8.8.8"), ["10.0.0.1", "fd00::2"])
def test_whatever_a_client_says_of_itself_the_proxies_tell_who_it_is(
    said: str, client: Any, chain: list[str]
) -> None:
    *written, peer = chain
    told = ", ".join([said, str(client), *written]).encode("latin-1", "replace")
    headers = [(b"x-forwarded-for", told)]
    real = str(getattr(client, "ipv4_mapped", None) or client)
    assert proxies.client_address(peer, headers, _PROXIES) == real
    assert proxies.client_address(str(client), headers, _PROXIES) == real
    assert proxies.client_address(peer, headers, []) == peer
    assert proxies.one_client(proxies.one_client(real)) == proxies.one_client(real)
