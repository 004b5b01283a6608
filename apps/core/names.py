"""Names of hosts and the addresses behind them.

Entries of EGRESS_RESOLVE are read as `workers.runtime.names` reads them for components, which may
import nothing of the platform: `tests/unit/test_settled_names.py` holds the two to one table.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

from apps.core.addresses import parse_entry

# Host and port to addresses, in the order to be tried; a pair names another port too. Raises
# OSError.
Resolve = Callable[[str, int], Sequence[str | tuple[str, int]]]


def by_system(host: str, port: int) -> list[str]:
    """As the machine resolves names, at most four addresses. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in found][:4]


def by_table(entries: Sequence[str]) -> Resolve:
    """The entries of EGRESS_RESOLVE, several of one host together and in their order; other names
    are the system's. Raises ValueError for an entry that cannot be read."""
    table: dict[str, list[str | tuple[str, int]]] = {}
    for host, address, port in map(parse, entries):
        table.setdefault(host, []).append(address if port is None else (address, port))

    def resolve(host: str, port: int) -> Sequence[str | tuple[str, int]]:
        return table.get(host.lower().removesuffix(".")) or by_system(host, port)

    return resolve


def parse(entry: str) -> tuple[str, str, int | None]:
    """Host, address and port of `host=address`, `host=address:port` or `host=[address6]:port`; port
    None: the one that is dialled. Case and a trailing dot of the host do not count. Raises
    ValueError for an entry that cannot be read."""
    host, _, address = entry.partition("=")
    host = host.strip().lower().removesuffix(".")
    with suppress(ValueError):
        network, port = parse_entry(address)
        if host and network.num_addresses == 1:
            return host, str(network.network_address), port
    raise ValueError(f"not host=address or host=address:port: {entry!r}")
