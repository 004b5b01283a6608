"""The address of a client, behind proxies that the operator trusts (`TRUSTED_PROXIES`). Pure.

Each proxy writes down, at the end of `X-Forwarded-For`, whom it had before itself. So the entries
are believed from the end, as long as who wrote them is trusted; what stands before the first
stranger is the stranger's own word.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from django.http import HttpRequest

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

HEADER = b"x-forwarded-for"


def parse(entry: str) -> Network:
    """One entry of `TRUSTED_PROXIES`: an address or a network. Raises ValueError."""
    return ipaddress.ip_network(entry)


def client_address(
    peer: str, headers: Sequence[tuple[bytes, bytes]], trusted: Sequence[Network]
) -> str:
    """`peer`, who has the connection, or whom the proxies say to be behind it. `headers`: names in
    lower case."""
    found = _address(peer)
    if not trusted or found is None:
        return peer
    told = b",".join(value for name, value in headers if name == HEADER).decode("latin-1")
    for entry in reversed(told.split(",")):
        before = _address(entry.strip())
        if before is None or not any(found in network for network in trusted):
            break
        found = before
    return str(found)


def one_client(address: str) -> str:
    """What counts as one client: an IPv4 address, or the first of an IPv6 network of 64 bits."""
    found = _address(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(found), 64), strict=False).network_address)
    return address if found is None else str(found)


def login_address(request: HttpRequest) -> str | None:
    """By which wrong passwords are counted; None: who calls has no address."""
    peer = str(request.META.get("REMOTE_ADDR", ""))
    return None if _address(peer) is None else one_client(peer)


def _address(text: str) -> Address | None:
    """`192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`; IPv4 within IPv6 as IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found
