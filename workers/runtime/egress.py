"""Which addresses a child may dial. Who dials, and asks this first: `dialling`."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Entry = tuple[_Network, int | None]

_REFUSED: Final[tuple[_Network, ...]] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    )
)  # fmt: skip
_GLOBAL6: Final = ipaddress.ip_network("2000::/3")
_CARRIERS: Final = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)
"""Networks whose addresses carry an IPv4 address, and how many bits follow it."""

_DNS: Final = 53
_PORT = re.compile(r"[0-9]{1,5}")


class Policy:
    """Decides on the address that is dialled, after DNS.

    allow      `CIDR`, `CIDR:port`, `[CIDR6]` or `[CIDR6]:port`: open in spite of the rules
    resolvers  addresses of name servers, reachable at TCP port 53 whatever is denied
    deny       the same forms: closed, whatever is open
    Raises ValueError for an entry that cannot be read.
    """

    def __init__(
        self,
        allow: Sequence[str],
        resolvers: Sequence[str] = (),
        deny: Sequence[str] = (),
    ) -> None:
        self._allow = [parse_entry(entry) for entry in allow]
        self._deny = [parse_entry(entry) for entry in deny]
        self._resolvers = frozenset(ipaddress.ip_address(address) for address in resolvers)

    def widened(self, allow: Sequence[str]) -> Policy:
        """The same with more entries. Raises ValueError for one that cannot be read."""
        wider = Policy(allow)
        wider._allow += self._allow
        wider._deny, wider._resolvers = self._deny, self._resolvers
        return wider

    def permits(self, host: str, port: int) -> bool:
        given = ipaddress.ip_address(host.partition("%")[0])
        address = _unwrap(given)
        if port == _DNS and address in self._resolvers:
            return True
        if _names(self._deny, address, port) or _names(self._deny, given, port):
            return False
        if _names(self._allow, address, port):
            return True
        if address.version == 6 and address not in _GLOBAL6:
            return False
        if any(address.version == net.version and address in net for net in _REFUSED):
            return False
        return not is_own(str(address))


class Only(Policy):
    """One `address:port` and nothing else; None for nothing at all."""

    def __init__(self, door: str | None) -> None:
        super().__init__(())
        self._door = door

    def permits(self, host: str, port: int) -> bool:
        return f"{host}:{port}" == self._door


def name_servers(resolv_conf: Path = Path("/etc/resolv.conf")) -> tuple[str, ...]:
    """The name servers that children ask, as the system's resolver reads them."""
    try:
        lines = resolv_conf.read_text(errors="replace").splitlines()
    except OSError:
        return ()
    words = [line.split() for line in lines]
    found = [word[1].partition("%")[0] for word in words if word[:1] == ["nameserver"] and word[1:]]
    return tuple(found) or ("127.0.0.1",)


def parse_entry(entry: str) -> tuple[_Network, int | None]:
    """One entry of EGRESS_ALLOW or EGRESS_DENY. Raises ValueError."""
    text, port = entry.strip(), None
    if text.startswith("["):
        text, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"not a network: {entry!r}")
        port = rest[1:] if rest else None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
    if port is not None and not _PORT.fullmatch(port):
        raise ValueError(f"not a port: {entry!r}")
    number = None if port is None else int(port)
    if number is not None and not 0 < number < 65536:
        raise ValueError(f"not a port: {entry!r}")
    return ipaddress.ip_network(text, strict=False), number


def untouched(ranges: tuple[str, ...], allow: tuple[str, ...]) -> list[str]:
    """Those `ranges` (`CIDR` or `[address]`) that no entry of EGRESS_ALLOW overlaps."""
    allowed = [network for network, _ in map(parse_entry, allow)]
    return [
        text
        for text in ranges
        if not any(_overlap(ipaddress.ip_network(text.strip("[]")), other) for other in allowed)
    ]


def _names(entries: list[_Entry], address: _Address, port: int) -> bool:
    """Whether one of the entries is about this address and port."""
    return any(
        address.version == network.version and address in network and only in (None, port)
        for network, only in entries
    )


def _overlap(one: _Network, other: _Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def _unwrap(address: _Address) -> _Address:
    """The IPv4 address inside a mapped, NAT64 or 6to4 one, else the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        for carrier, shift in _CARRIERS:
            if address in carrier:
                return ipaddress.IPv4Address(int(address) >> shift & 0xFFFFFFFF)
    return address


def is_own(host: str) -> bool:
    """True when this machine itself answers at `host`: its public addresses lead to its own ports.

    A datagram socket sends nothing on connect; the kernel only picks the address to send from.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))
        except OSError:
            return False
        return ipaddress.ip_address(probe.getsockname()[0].partition("%")[0]) == (
            ipaddress.ip_address(host)
        )
