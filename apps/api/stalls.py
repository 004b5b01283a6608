"""Connections whose other end takes nothing: the server that holds them would wait for ever.

A peer that keeps its receive window shut acknowledges every probe, so no time-out of TCP's own
comes, and Granian has none for writing: what an answer or an event stream left unsent would stay,
with its socket, for as long as the peer likes. The kernel can be told to give up, and what is set
on a listening socket is true of all that it accepts.
"""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack, suppress

_TCP = (socket.AF_INET, socket.AF_INET6)


def bound(seconds: float) -> int:
    """Let the kernel drop connections whose peer took nothing for so long: those that were and will
    be accepted by the sockets on which this process listens; returns how many listen.

    To be called with the first request: Granian listens when the application says that it is ready.
    """
    with ExitStack() as stack:
        found = []
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  numbers, not paths
            with suppress(OSError):
                found.append(stack.enter_context(socket.socket(fileno=os.dup(int(name)))))
        tcp = [one for one in found if one.family in _TCP and one.type == socket.SOCK_STREAM]
        listening = [one for one in tcp if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)]
        ports = {one.getsockname()[1] for one in listening}
        for one in tcp:
            if one.getsockname()[1] in ports:
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))
        return len(listening)
