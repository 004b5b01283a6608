"""A few hosts on one machine: network namespaces at the ports of a switch, which is a bridge in a
namespace of its own. Nothing of it is to be seen in the machine's own network.

Each namespace lives as long as its holder, a process that reads a pipe of ours until it ends: so
namespaces, links and bridge are gone when the tests are, also after kill -9.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

# Of documentation (RFC 5737): no machine has an address there.
SUBNET = "192.0.2.0/24"
# A link address that no host has.
NOBODY = "02:00:00:00:00:ff"
# As /proc/net/tcp writes it.
ESTABLISHED = "01"
CLONE_NEWNET = 0x40000000
CAP_NET_ADMIN, CAP_SYS_ADMIN = 12, 21
_TOOLS = ("ip", "unshare", "nsenter")
_libc = ctypes.CDLL(None, use_errno=True)
# A name of its own too, as a host has; the line says that both are there.
_HOLD = 'echo "$0" > /proc/sys/kernel/hostname && echo held && exec cat'


class Impossible(Exception):
    """Why there can be no hosts here. `expected`: whoever runs the tests may make them, so that
    something else is wrong."""

    def __init__(self, reason: str, *, expected: bool = False) -> None:
        super().__init__(reason)
        self.expected = expected


class Host:
    """One namespace. `inside`: what a command line begins with, to run there."""

    def __init__(self, name: str, number: int, device: str = "eth0") -> None:
        self.name = name
        self._device = device
        self.address = f"192.0.2.{number}"
        self.link = f"02:00:00:00:00:{number:02x}"
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--uts", "--", "/bin/sh", "-c", _HOLD, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "held\n":
            _, told = self._holder.communicate(timeout=10)
            raise Impossible(f"no network namespace can be made: {told.strip()}", expected=True)

    @property
    def pid(self) -> int:
        return self._holder.pid

    @property
    def inside(self) -> list[str]:
        return ["nsenter", f"--target={self.pid}", "--net", "--uts", "--"]

    def ip(self, *arguments: str) -> None:
        """iproute2's `ip` in this namespace."""
        done = subprocess.run(
            [*self.inside, "ip", *arguments], capture_output=True, text=True, timeout=20
        )
        if done.returncode != 0:
            told = f"ip {' '.join(arguments)}: {done.stderr.strip()}"
            raise Impossible(told, expected=True)

    def know(self, address: str, link: str) -> None:
        """Send to this address by that link address, without asking for it."""
        self.ip(
            *("neighbour", "replace", address, "lladdr", link),
            *("dev", self._device, "nud", "permanent"),
        )

    def connections_to(self, other: Host) -> list[int]:
        """The far ports of those that this host's kernel holds for established."""
        packed = socket.inet_aton(other.address)
        wanted = f"{int.from_bytes(packed, sys.byteorder):08X}"
        rows = Path(f"/proc/{self.pid}/net/tcp").read_text().splitlines()[1:]
        far = [row.split()[2].split(":") for row in rows if row.split()[3] == ESTABLISHED]
        return [int(port, 16) for address, port in far if address == wanted]

    def enter(self) -> None:
        """Put the calling thread, and what it starts from now on, into this namespace."""
        with Path(f"/proc/{self.pid}/ns/net").open() as door:
            if _libc.setns(door.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"setns into {self.name}")

    def close(self) -> None:
        """The kernel removes the namespace and what is in it with its last process."""
        if self._holder.poll() is None:
            self._holder.communicate(timeout=10)


class Network:
    """The switch, with the address of the world outside, and the hosts at its ports."""

    def __init__(self, *names: str) -> None:
        self._outside = Host("switch", 1, "switch")
        self.hosts: dict[str, Host] = {}
        self._thread: ThreadPoolExecutor | None = None
        self._cuts: list[Callable[[], None]] = []
        try:
            for number, name in enumerate(names, 2):
                self.hosts[name] = Host(name, number)
            self._wire()
        except BaseException:
            self.close()
            raise
        self._thread = ThreadPoolExecutor(1, initializer=self._outside.enter)

    def _wire(self) -> None:
        """Link addresses are known to all beforehand, as behind routers: no question without an
        answer tells a host that another one is gone."""
        ip = self._outside.ip
        ip("link", "set", "lo", "up")
        ip("link", "add", "name", "switch", "address", self._outside.link, "type", "bridge")
        ip("address", "add", f"{self._outside.address}/24", "dev", "switch")
        ip("link", "set", "switch", "up")
        for name, host in self.hosts.items():
            near = ("link", "add", "name", name, "type", "veth")
            ip(*near, "peer", "name", "eth0", "address", host.link, "netns", str(host.pid))
            ip("link", "set", "dev", name, "master", "switch", "up")
            host.ip("link", "set", "lo", "up")
            host.ip("address", "add", f"{host.address}/24", "dev", "eth0")
            host.ip("link", "set", "eth0", "up")
        everybody = [self._outside, *self.hosts.values()]
        for host in everybody:
            for other in everybody:
                if other is not host:
                    host.know(other.address, other.link)

    @property
    def outside_address(self) -> str:
        return self._outside.address

    def outside(self, function: Callable[[], T]) -> T:
        """Call it at the switch, where callers and receivers are; threads that it starts and
        sockets that it opens stay there."""
        assert self._thread is not None
        return self._thread.submit(function).result()

    def cut(self, name: str) -> None:
        """Pull the host's plug at the switch: what it sends is lost, and nobody is told."""
        self._cuts.append(partial(self.mend, name))
        self._outside.ip("link", "set", "dev", name, "down")

    def mend(self, name: str) -> None:
        self._outside.ip("link", "set", "dev", name, "up")

    def cut_between(self, name: str, other: str) -> None:
        """Lose what these two send to each other, and nothing else."""
        self._cuts.append(partial(self.mend_between, name, other))
        for host, far in self._both_ways(name, other):
            host.know(far.address, NOBODY)

    def mend_between(self, name: str, other: str) -> None:
        for host, far in self._both_ways(name, other):
            host.know(far.address, far.link)

    def mend_all(self) -> None:
        """Whatever was cut, and perhaps mended, so far."""
        while self._cuts:
            self._cuts.pop()()

    def _both_ways(self, name: str, other: str) -> list[tuple[Host, Host]]:
        one, two = self.hosts[name], self.hosts[other]
        return [(one, two), (two, one)]

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown()
        for host in [*self.hosts.values(), self._outside]:
            host.close()


def look() -> None:
    """Raises Impossible where this user cannot make namespaces, or tools for it are missing."""
    if os.geteuid() != 0:
        raise Impossible("only root can put hosts into network namespaces")
    status = Path("/proc/self/status").read_text()
    kept = int(status.partition("CapEff:")[2].split()[0], 16)
    if not (kept >> CAP_NET_ADMIN & 1 and kept >> CAP_SYS_ADMIN & 1):
        raise Impossible("root has no CAP_SYS_ADMIN or CAP_NET_ADMIN here, as in most containers")
    if missing := [tool for tool in _TOOLS if not shutil.which(tool)]:
        raise Impossible(f"missing: {', '.join(missing)} (Debian: iproute2, util-linux)")
