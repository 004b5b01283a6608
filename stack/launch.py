"""Become another program under the conditions that its starter asked for.

Usage: launch.py PARENT_PID DEATH_SIGNAL IDENTITY COMMAND [ARGUMENT ...]

DEATH_SIGNAL is the number of the signal that the kernel sends to the program when the process
that started it dies, also by kill -9 (PR_SET_PDEATHSIG). IDENTITY is `same`, `userns:UID:GID`
(the same user, shown as UID:GID inside a user namespace of its own) or `drop:UID:GID` (really
become that user). The order matters: a change of credentials clears the death signal.

A script of its own, on the standard library alone and run with `python -I -S`, so that it costs
15 ms and imports nothing of the project before the identity is changed.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
libc = ctypes.CDLL(None, use_errno=True)


def check(result: int) -> None:
    """Raise the OSError that a C call left in errno."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def write(path: str, text: str) -> None:
    with open(path, "w") as file:  # noqa: PTH123 (pathlib doubles the start of this script)
        file.write(text)


def enter_user_namespace(uid: int, gid: int) -> None:
    """Look like uid:gid to the program; to the rest of the machine nothing changes."""
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    check(libc.unshare(CLONE_NEWUSER))
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"{uid} {outer_uid} 1")
    write("/proc/self/gid_map", f"{gid} {outer_gid} 1")


def main(parent: int, death_signal: int, identity: str, command: list[str]) -> None:
    kind, *ids = identity.split(":")
    if kind == "userns":
        enter_user_namespace(int(ids[0]), int(ids[1]))
    elif kind == "drop":
        os.setgroups([])
        os.setgid(int(ids[1]))
        os.setuid(int(ids[0]))
    check(libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0))
    # The parent may have died before the line above; then nobody would ever send the signal.
    if os.getppid() != parent:
        sys.exit("the process that started this one is gone")
    os.execvp(command[0], command)  # noqa: S606 (no shell is the point)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
    except OSError as problem:
        sys.exit(f"cannot start {sys.argv[4]} as {sys.argv[3]}: {problem.strerror}")
