"""Landlock: which files a child sees. Thin, hand-written bindings."""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from pathlib import Path
from typing import Final

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_PATH_BENEATH: Final = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
MAKE_SYM, REFER, TRUNCATE = 1 << 12, 1 << 13, 1 << 14

READ: Final = READ_FILE | READ_DIR
USE: Final = READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER | TRUNCATE
FILE_ONLY: Final = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE

_FS_BY_ABI: Final = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF, 5: 0xFFFF}
_NET_FROM, _SCOPE_FROM = 4, 6

LIBC: Final = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long


def call(number: int, *arguments: int | bytes | None) -> int:
    """A raw system call. Raises OSError."""
    given = [ctypes.c_long(a) if isinstance(a, int) else ctypes.c_char_p(a) for a in arguments]
    result: int = LIBC.syscall(ctypes.c_long(number), *given)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def abi() -> int:
    """The version the kernel speaks; 0 without Landlock."""
    try:
        return call(_CREATE, 0, 0, 1)
    except OSError:
        return 0


class Rules:
    """Rules that every child shares, their paths opened once; `restrict` adds the child's own."""

    def __init__(self, version: int) -> None:
        self._handled = _FS_BY_ABI[min(version, 5)]
        attributes = [self._handled]
        if version >= _NET_FROM:
            attributes.append(0b11)  # bind and connect: no port is allowed
        if version >= _SCOPE_FROM:
            attributes.append(0b11)  # abstract sockets and signals stay inside the domain
        self._attributes = struct.pack(f"={len(attributes)}Q", *attributes)
        self._rules: list[bytes] = []

    def allow(self, path: str, rights: int) -> None:
        """Ignores a path that does not exist. The descriptor stays open above the low numbers."""
        try:
            low = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return
        fd = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 128)
        os.close(low)
        self._rules.append(self._rule(path, rights, fd))

    def restrict(self, own: dict[str, int]) -> None:
        """Restricts the calling thread for good. It needs no_new_privs. Raises OSError."""
        ruleset = call(_CREATE, self._attributes, len(self._attributes), 0)
        rules = list(self._rules)
        for path, rights in own.items():
            rules.append(self._rule(path, rights, os.open(path, os.O_PATH | os.O_CLOEXEC)))
        for rule in rules:
            call(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
        call(_RESTRICT, ruleset, 0)
        os.close(ruleset)

    def _rule(self, path: str, rights: int, fd: int) -> bytes:
        if not Path(path).is_dir():
            rights &= FILE_ONLY
        return struct.pack("=Qi", rights & self._handled, fd)
