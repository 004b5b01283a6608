"""Names that the operator settled (setting EGRESS_RESOLVE), as children see them.

A child asks its name server itself, over TCP (`RES_OPTIONS=use-vc`), and every connect of a child
goes through the supervisor. So with such names the supervisor dials the worker's own server
(`name_server.py`) in place of the system's; that one answers a settled name with a stand-in address
for each of its entries, and asks the system's about all others. A stand-in is exchanged for the
settled address, and port when one is given, when it is dialled; the egress rules then look at that.

Entries are read as `apps.core.names` reads them for the platform; one test holds the two to one
table. Used by the zygote: the standard library only.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from workers.runtime.egress import parse_entry

# RFC 2544: for benchmarks, routed nowhere; refused by the egress rules when dialled as it is.
_STAND_INS: Final = ipaddress.ip_network("198.18.0.0/15")
_DNS: Final = 53


@dataclass(frozen=True, slots=True)
class Settled:
    """One entry: `host=address`, `host=address:port` or `host=[address6]:port`; several of one host
    are tried in their order. Case and a trailing dot of the host do not count. `port` None: the one
    that is dialled."""

    host: str
    address: str
    port: int | None


def parse(entry: str) -> Settled:
    """Raises ValueError for an entry that cannot be read."""
    host, _, address = entry.partition("=")
    host = host.strip().lower().removesuffix(".")
    with suppress(ValueError):
        network, port = parse_entry(address)
        if host and network.num_addresses == 1:
            return Settled(host, str(network.network_address), port)
    raise ValueError(f"not host=address or host=address:port: {entry!r}")


def stand_ins(settled: Sequence[Settled]) -> dict[str, list[str]]:
    """The stand-in addresses of each host, one an entry and in their order, for the name server."""
    found: dict[str, list[str]] = {}
    for address, entry in _table(settled).items():
        found.setdefault(entry.host, []).append(address)
    return found


def _table(settled: Sequence[Settled]) -> dict[str, Settled]:
    return {str(_STAND_INS[number]): entry for number, entry in enumerate(settled, start=1)}


class Routes:
    """Where a connect really goes.

    entries    texts of EGRESS_RESOLVE
    resolvers  the system's name servers, which the child asks
    server     host and port of the worker's own name server; None: nothing is settled
    """

    def __init__(
        self, entries: Sequence[str], resolvers: Sequence[str], server: tuple[str, int] | None
    ) -> None:
        self._table = _table([parse(entry) for entry in entries])
        self._resolvers = frozenset(resolvers)
        self._server = server

    def own(self, host: str, port: int) -> tuple[str, int] | None:
        """The worker's name server when the child asks one of the system's."""
        return self._server if port == _DNS and host in self._resolvers else None

    def settled(self, host: str, port: int) -> tuple[str, int] | None:
        """The address and port behind a stand-in, of whatever family; None: it is none."""
        entry = self._table.get(host)
        return None if entry is None else (entry.address, entry.port or port)
