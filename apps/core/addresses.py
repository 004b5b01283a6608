"""Which addresses the platform itself may call, and which URLs may name them. Pure but for
`is_own`, which asks the kernel.

The same decisions as `workers.runtime.egress` takes for components, which may import nothing of
the platform: `tests/unit/test_addresses.py` holds the two to one answer for every border of every
network, and for random addresses.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from urllib.parse import SplitResult, quote, urlsplit

import idna

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Entry = tuple[Network, int | None]

URL_BYTES = 2048

# Not global, multicast or reserved. Python's own properties miss several of them, and which ones
# depends on the patch release. Teredo lies in 2001::/23, site-local outside 2000::/3.
REFUSED: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    )
)  # fmt: skip
_GLOBAL6 = ipaddress.IPv6Network("2000::/3")
# Networks whose addresses carry an IPv4 address, and how many bits follow it: mapped, NAT64, 6to4.
_CARRIERS = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)
_PORT = re.compile(r"[0-9]{1,5}")


class Policy:
    """Decides on the address that is dialled, after DNS.

    allow   entries of EGRESS_ALLOW: `CIDR`, `CIDR:port`, `[CIDR6]` or `[CIDR6]:port`
    deny    entries of EGRESS_DENY, of the same forms: closed, whatever is open
    Raises ValueError for an entry that cannot be read.
    """

    def __init__(self, allow: Sequence[str] = (), deny: Sequence[str] = ()) -> None:
        self._allow = [parse_entry(entry) for entry in allow]
        self._deny = [parse_entry(entry) for entry in deny]

    def permits(self, host: str, port: int) -> bool:
        """`host` is an address as text; a zone (`%eth0`) does not count."""
        given = ipaddress.ip_address(host.partition("%")[0])
        address = unwrap(given)
        if _names(self._deny, address, port) or _names(self._deny, given, port):
            return False
        if _names(self._allow, address, port):
            return True
        if address.version == 6 and address not in _GLOBAL6:
            return False
        if any(_inside(address, network) for network in REFUSED):
            return False
        return not is_own(str(address))


def _names(entries: Sequence[Entry], address: Address, port: int) -> bool:
    """Whether one of the entries is about this address and port."""
    return any(_inside(address, network) and only in (None, port) for network, only in entries)


def _inside(address: Address, network: Network) -> bool:
    return address.version == network.version and address in network


def unwrap(address: Address) -> Address:
    """The IPv4 address inside a mapped, NAT64 or 6to4 one, else the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        for carrier, shift in _CARRIERS:
            if address in carrier:
                return ipaddress.IPv4Address(int(address) >> shift & 0xFFFFFFFF)
    return address


def parse_entry(entry: str) -> Entry:
    """One entry of EGRESS_ALLOW or EGRESS_DENY: the network, and the one port if it names one."""
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
        own = probe.getsockname()[0].partition("%")[0]
        return ipaddress.ip_address(own) == ipaddress.ip_address(host)


# --- URLs -----------------------------------------------------------------------------------------

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f\\\u2028\u2029]")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?")
# What resolvers take for an IPv4 address: a last label of digits, or of 0x and hexadecimal ones.
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")
_BRACKETS = re.compile(r"\[[^\[\]]*\](:[0-9]*)?")
_LOCAL = re.compile(r"(?:.*\.)?localhost\.?")


class BadUrl(ValueError):
    """The reason, as the rest of a sentence that begins with the parameter's name."""


class Target:
    """An http or https URL taken apart, ready to be called.

    host     ASCII, lower case, without brackets; `address` when it is one
    port     of the URL, else 80 or 443
    path     with the query, percent-encoded; the fragment is for browsers and left out
    """

    __slots__ = ("address", "authority", "host", "path", "port", "scheme")

    def __init__(self, url: str) -> None:
        """Raises BadUrl."""
        parts = _split(url)
        self.scheme = parts.scheme
        self.host, self.address = _host(parts.hostname or "")
        default = 443 if self.scheme == "https" else 80
        self.port = default if parts.port is None else parts.port
        path = parts.path or "/"
        text = f"{path}?{parts.query}" if parts.query else path
        self.path = quote(text, safe="%/:=&?~+!$,;'@()*[]-._")
        shown = f"[{self.host}]" if ":" in self.host else self.host
        self.authority = shown if self.port == default else f"{shown}:{self.port}"


def check_url(url: str, policy: Policy) -> None:
    """Whether a URL may be saved as one to be called later. Raises BadUrl.

    A name is not resolved here: what it leads to is looked at whenever it is called.
    """
    target = Target(url)
    if target.address is not None:
        if not policy.permits(str(target.address), target.port):
            raise BadUrl("must not name a private or reserved address")
    elif _LOCAL.fullmatch(target.host) and not policy.permits("127.0.0.1", target.port):
        raise BadUrl("must not name this machine")


def _split(url: str) -> SplitResult:
    if len(url.encode("utf-8", "replace")) > URL_BYTES:
        raise BadUrl(f"must have at most {URL_BYTES} bytes")
    if _FORBIDDEN.search(url):
        raise BadUrl("must not hold spaces, control characters or backslashes")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadUrl("is not a URL with a valid host and port") from None
    if parts.scheme not in ("http", "https"):
        raise BadUrl("must begin with http:// or https://")
    if "@" in parts.netloc:
        raise BadUrl("must not hold a user name or password")
    if "[" in parts.netloc and not _BRACKETS.fullmatch(parts.netloc):
        raise BadUrl("must hold nothing but a port beside an IPv6 address")
    if not parts.hostname:
        raise BadUrl("must name a host")
    if port == 0:
        raise BadUrl("must name a port between 1 and 65535")
    return parts


def _host(text: str) -> tuple[str, Address | None]:
    """The host as it is called, and the address when it is one, written the one usual way."""
    if ":" in text:
        try:
            return text, ipaddress.IPv6Address(text)
        except ValueError:
            raise BadUrl("holds an IPv6 address that cannot be read") from None
    host = _ascii(text)
    if _NUMBER.fullmatch(host):
        try:
            return text, ipaddress.IPv4Address(text)
        except ValueError:
            raise BadUrl("must write an IPv4 address as four decimal numbers") from None
    return host, None


def _ascii(text: str) -> str:
    host = text.lower()
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode()
        except (idna.IDNAError, UnicodeError):
            raise BadUrl("names a host that cannot be written in ASCII") from None
    if len(host) > 253 or not _HOST.fullmatch(host) or ".." in host:
        raise BadUrl("names a host that no name server could know")
    if any(len(label) > 63 for label in host.split(".")):
        raise BadUrl("names a host that no name server could know")
    return host
