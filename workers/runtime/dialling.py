"""Who dials for a child: the supervisor, never the child.

A child's connect stops in the kernel (seccomp user notification). The supervisor reads the
address once, decides on what it read, connects a socket of its own and puts that in the place of
the child's descriptor. The kernel never continues the child's own call, so there is no race to win.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Callable
from typing import Final, Protocol

from workers.runtime.egress import Policy
from workers.runtime.names import Routes
from workers.runtime.notification import Notification, target

_PENDING_PER_CHILD: Final = 128


class Loop(Protocol):
    """What the supervisor needs of the zygote's loop."""

    def watch(self, fd: int, handler: Callable[[int], None], events: int = ...) -> None: ...

    def unwatch(self, fd: int) -> None: ...


class Supervisor:
    """Answers the connects of one child, none of which waits for another."""

    def __init__(self, listener: int, policy: Policy, routes: Routes, loop: Loop) -> None:
        self._listener = listener
        self._policy = policy
        self._routes = routes
        self._loop = loop
        self._pending: dict[int, socket.socket] = {}
        loop.watch(listener, self._on_listener)

    def close(self) -> None:
        """The child is gone."""
        self._loop.unwatch(self._listener)
        os.close(self._listener)
        for fd, connection in self._pending.items():
            self._loop.unwatch(fd)
            connection.close()
        self._pending.clear()

    def _on_listener(self, events: int) -> None:
        if not events & select.EPOLLIN:
            self._loop.unwatch(self._listener)
            return
        try:
            call = Notification(self._listener)
        except OSError:
            return
        try:
            self._dial(call)
        except OSError as error:
            call.answer(error.errno or errno.EIO)

    def _dial(self, call: Notification) -> None:
        """Raises OSError with the number that the child's connect shall fail with."""
        sockaddr, flags = call.sockaddr(), call.flags()
        if not call.alive():
            return
        family, host, port, scope = target(sockaddr)
        own = self._routes.own(host, port)
        settled = self._routes.settled(host, port)
        host, port = own or settled or (host, port)
        if own is None and not self._policy.permits(host, port):
            raise OSError(errno.EACCES, "not permitted")
        if settled is not None:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
        elif (family == socket.AF_INET6) != (":" in host):
            raise OSError(errno.ENETUNREACH, "another family of addresses")
        if len(self._pending) >= _PENDING_PER_CHILD:
            raise OSError(errno.EAGAIN, "too many connections are being made")
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        address = (host, port) if family == socket.AF_INET else (host, port, 0, scope)
        error = connection.connect_ex(address)
        waits = not flags & os.O_NONBLOCK
        if error == errno.EINPROGRESS and waits:
            fd = connection.fileno()
            self._pending[fd] = connection
            self._loop.watch(fd, lambda _: self._on_connected(call, fd, flags), select.EPOLLOUT)
            return
        with connection:
            self._hand_over(call, connection, flags, error)

    def _on_connected(self, call: Notification, fd: int, flags: int) -> None:
        self._loop.unwatch(fd)
        with self._pending.pop(fd) as connection:
            error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self._hand_over(call, connection, flags, error)

    def _hand_over(
        self, call: Notification, connection: socket.socket, flags: int, error: int
    ) -> None:
        if error in (0, errno.EINPROGRESS):
            connection.setblocking(not flags & os.O_NONBLOCK)
            try:
                call.inject(connection.fileno(), close_on_exec=bool(flags & os.O_CLOEXEC))
            except OSError as failure:
                error = failure.errno or errno.EIO
        call.answer(error)
