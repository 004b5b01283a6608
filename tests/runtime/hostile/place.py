"""Run a command in a place where the wall has less to stand on than on a host of its own:

    place.py [--docker] [--capabilities HEX] [--uid N] [--without NUMBER ...] -- COMMAND ...

--docker        what Docker's default profile refuses: namespaces, mounts, keys, io_uring …
--capabilities  the set that is kept, of root: a80425fb is Docker's default, 0 is none
--uid           become this user, without any group or capability; where Python or the project lie
                in a home that only root can enter, that is opened in a mount namespace first
--without       system calls that this kernel shall not have

Only root can. It comes as close to a container as one can without one: AppArmor is not there.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import struct
import sys
from pathlib import Path

EPERM, ENOSYS = 1, 38
LOAD, EQUAL, BITS, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
PR_CAPBSET_DROP, CAPSET, SECCOMP, UNSHARE = 24, 126, 317, 272
CLONE, NAMESPACES = 56, 0x7E020000
# Of the profile that Docker ships, what a process without CAP_SYS_ADMIN, _PTRACE, _NICE … is refused.
REFUSED = {
    "acct": 163, "add_key": 248, "bpf": 321, "clock_adjtime": 305, "clock_settime": 227,
    "delete_module": 176, "finit_module": 313, "fsconfig": 431, "fsmount": 432, "fsopen": 430,
    "fspick": 433, "get_mempolicy": 239, "init_module": 175, "io_uring_enter": 426,
    "io_uring_register": 427, "io_uring_setup": 425, "ioperm": 173, "iopl": 172, "kcmp": 312,
    "kexec_file_load": 320, "kexec_load": 246, "keyctl": 250, "lookup_dcookie": 212, "mbind": 237,
    "mount": 165, "mount_setattr": 442, "move_mount": 429, "move_pages": 279, "nfsservctl": 180,
    "open_by_handle_at": 304, "open_tree": 428, "perf_event_open": 298, "pidfd_getfd": 438,
    "pivot_root": 155, "process_madvise": 440, "quotactl": 179, "quotactl_fd": 443, "reboot": 169,
    "request_key": 249, "set_mempolicy": 238, "setdomainname": 171, "sethostname": 170,
    "setns": 308, "settimeofday": 164, "swapoff": 168, "swapon": 167, "syslog": 103,
    "umount2": 166, "unshare": 272, "userfaultfd": 323, "vhangup": 153,
}
ROOT = Path(__file__).resolve().parents[3]
libc = ctypes.CDLL(None, use_errno=True)


def call(number, *arguments):
    if libc.syscall(ctypes.c_long(number), *arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def install(program):
    code = b"".join(struct.pack("<HBBI", *instruction) for instruction in program)
    kept = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("=H6xQ", len(program), ctypes.addressof(kept))
    call(SECCOMP, ctypes.c_long(1), ctypes.c_long(0), ctypes.c_char_p(head))


def refusing(numbers, error):
    found = [(LOAD, 0, 0, 0)]
    for number in numbers:
        found += [(EQUAL, 0, 1, number), (RETURN, 0, 0, ERRNO | error)]
    return [*found, (RETURN, 0, 0, ALLOW)]


def docker():
    install(refusing(REFUSED.values(), EPERM))
    install(refusing([435], ENOSYS))  # clone3, whose flags no filter can see
    install([
        (LOAD, 0, 0, 0), (EQUAL, 0, 3, CLONE), (LOAD, 0, 0, 16), (BITS, 0, 1, NAMESPACES),
        (RETURN, 0, 0, ERRNO | EPERM), (RETURN, 0, 0, ALLOW),
    ])


def keep(capabilities):
    for number in range(64):
        if not capabilities >> number & 1:
            libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    low, high = capabilities & 0xFFFFFFFF, capabilities >> 32
    header = struct.pack("=Ii", 0x20080522, 0)
    sets = struct.pack("=6I", low, low, 0, high, high, 0)
    call(CAPSET, ctypes.c_char_p(header), ctypes.c_char_p(sets))


def open_homes(*paths):
    """Puts an open directory in place of each that others cannot enter, with only the path in it."""
    closed = {}
    for path in paths:
        for parent in reversed(path.parents):
            if not parent.stat().st_mode & 1:
                closed.setdefault(parent, set()).add(path)
                break
    if not closed:
        return
    call(UNSHARE, ctypes.c_long(0x00020000))
    mount("none", "/", None, 0x44000)  # private, and all below
    for home, paths in closed.items():
        inside = {path: os.open(path, os.O_PATH) for path in paths}
        mount("none", str(home), "tmpfs", 0)
        home.chmod(0o755)
        for path, fd in inside.items():
            path.mkdir(parents=True, exist_ok=True)
            mount(f"/proc/self/fd/{fd}", str(path), None, 0x1000)


def mount(source, target, kind, flags):
    given = (source.encode(), target.encode(), kind and kind.encode(), ctypes.c_ulong(flags), None)
    if libc.mount(*given) != 0:
        raise OSError(ctypes.get_errno(), f"mount {source} at {target}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--docker", action="store_true")
    parser.add_argument("--capabilities", type=lambda text: int(text, 16))
    parser.add_argument("--uid", type=int)
    parser.add_argument("--without", type=int, action="append", default=[])
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    if given.uid is not None:
        open_homes(Path(sys.base_prefix), Path(sys.prefix), ROOT)
    if given.docker:
        docker()
    if given.without:
        install(refusing(given.without, ENOSYS))
    if given.capabilities is not None:
        keep(given.capabilities)
    if given.uid is not None:
        os.setgroups([])
        os.setresgid(given.uid, given.uid, given.uid)
        os.setresuid(given.uid, given.uid, given.uid)
    os.execvp(given.command[0], given.command)


if __name__ == "__main__":
    main()
