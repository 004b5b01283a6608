"""One stopped connect of a child: what it asked for, read once, and the answer to it.

The kernel's interface of seccomp user notifications (`seccomp_unotify(2)`), for x86-64.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from pathlib import Path
from typing import Final

_RECV: Final = 0xC0502100
_SEND: Final = 0xC0182101
_ID_VALID: Final = 0x40082102
_ADD_FD: Final = 0x40182103
_SET_FD: Final = 1
_LONGEST_ADDRESS: Final = 128
NOTIFICATION_SIZES: Final = (80, 24, 64)


class Notification:
    """One stopped connect."""

    __slots__ = ("_listener", "address", "fd", "id", "length", "tid")

    def __init__(self, listener: int) -> None:
        """Takes the next one. Raises OSError (ENOENT: its thread died meanwhile)."""
        data = bytearray(80)
        fcntl.ioctl(listener, _RECV, data)
        self._listener = listener
        self.id, self.tid = struct.unpack_from("=QI", data)
        self.fd, self.address, self.length = struct.unpack_from("=QQQ", data, 32)
        self.fd &= 0xFFFFFFFF

    def alive(self) -> bool:
        """Whether its thread still waits, so that `tid` is still that thread."""
        try:
            fcntl.ioctl(self._listener, _ID_VALID, struct.pack("=Q", self.id))
        except OSError:
            return False
        return True

    def inject(self, source: int, *, close_on_exec: bool) -> None:
        """Puts a copy of `source` at the child's descriptor, closing what was there."""
        flags = os.O_CLOEXEC if close_on_exec else 0
        request = struct.pack("=QIIII", self.id, _SET_FD, source, self.fd, flags)
        fcntl.ioctl(self._listener, _ADD_FD, request)

    def answer(self, error: int = 0) -> None:
        """The call returns 0, or fails with `error`. A thread that died is no error here."""
        try:
            fcntl.ioctl(self._listener, _SEND, struct.pack("=QqiI", self.id, 0, -error, 0))
        except OSError as failure:
            if failure.errno != errno.ENOENT:
                raise

    def sockaddr(self) -> bytes:
        """The address, read once from the memory of the child. Raises OSError."""
        if not 0 < self.length <= _LONGEST_ADDRESS:
            raise OSError(errno.EINVAL, "not an address")
        memory = os.open(f"/proc/{self.tid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(memory, self.length, self.address)
        except OSError:
            raise OSError(errno.EFAULT, "not readable") from None
        finally:
            os.close(memory)

    def flags(self) -> int:
        """The open flags of the child's descriptor; O_CLOEXEC included. Raises OSError."""
        if not str(Path(f"/proc/{self.tid}/fd/{self.fd}").readlink()).startswith("socket:"):
            raise OSError(errno.ENOTSOCK, "not a socket")
        with Path(f"/proc/{self.tid}/fdinfo/{self.fd}").open() as info:
            for line in info:
                if line.startswith("flags:"):
                    return int(line.split()[1], 8)
        raise OSError(errno.EBADF, "no flags")


def target(sockaddr: bytes) -> tuple[int, str, int, int]:
    """Family, host, port and scope of a sockaddr. Raises OSError for what is not TCP/IP."""
    if len(sockaddr) >= 2:
        (family,) = struct.unpack_from("=H", sockaddr)
        if family == socket.AF_INET and len(sockaddr) >= 8:
            (port,) = struct.unpack_from("!H", sockaddr, 2)
            return family, socket.inet_ntop(family, sockaddr[4:8]), port, 0
        if family == socket.AF_INET6 and len(sockaddr) >= 24:
            (port,) = struct.unpack_from("!H", sockaddr, 2)
            scope = struct.unpack_from("=I", sockaddr, 24)[0] if len(sockaddr) >= 28 else 0
            return family, socket.inet_ntop(family, sockaddr[8:24]), port, scope
    raise OSError(errno.EAFNOSUPPORT, "not an internet address")
