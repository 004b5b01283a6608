"""The seccomp filter of a child, assembled by hand (classic BPF, x86-64).

What Landlock cannot see is refused here: sockets other than TCP, signals and limits of other
processes, changes of file metadata, new processes, kernel objects that outlive a process. The
connect call is handed to `dialling.Supervisor`. Everything else is allowed; calls newer than
this table do not exist for a child.
"""

from __future__ import annotations

import errno
import struct
from typing import Final

ARCHITECTURE: Final = "x86_64"
_AUDIT_ARCH: Final = 0xC000003E
_X32_BIT: Final = 0x40000000
_NEWEST_CALL: Final = 462

_ALLOW: Final = 0x7FFF0000
_KILL: Final = 0x80000000
_NOTIFY: Final = 0x7FC00000
_ERRNO: Final = 0x00050000

_LOAD: Final = 0x20
_JUMP_EQUAL: Final = 0x15
_JUMP_AT_LEAST: Final = 0x35
_JUMP_BITS: Final = 0x45
_AND: Final = 0x54
_RETURN: Final = 0x06

_OWN_PID: Final = 0x7A5A5A5A
"""Stands for the child's pid in an assembled filter; `for_pid` puts the real one in."""

_NOT_THERE: Final = {
    "clone3": 435, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    "memfd_create": 319, "memfd_secret": 447,
}  # fmt: skip
_REFUSED: Final = {
    # processes and what other processes hold
    "fork": 57, "vfork": 58, "execveat": 322, "ptrace": 101, "tkill": 200, "kcmp": 312,
    "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297, "process_vm_readv": 310,
    "process_vm_writev": 311, "process_madvise": 440, "process_mrelease": 448, "pidfd_open": 434,
    "pidfd_getfd": 438, "pidfd_send_signal": 424, "setpriority": 141, "sched_setparam": 142,
    "sched_setscheduler": 144, "sched_setattr": 314, "sched_setaffinity": 203, "ioprio_set": 251,
    "migrate_pages": 256, "move_pages": 279, "setpgid": 109, "setsid": 112, "acct": 163,
    # sockets that serve
    "bind": 49, "listen": 50, "accept": 43, "accept4": 288,
    # metadata of files, which Landlock leaves alone
    "chmod": 90, "fchmod": 91, "fchmodat": 268, "fchmodat2": 452, "chown": 92, "fchown": 93,
    "lchown": 94, "fchownat": 260, "utime": 132, "utimes": 235, "futimesat": 261,
    "utimensat": 280, "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "removexattr": 197,
    "lremovexattr": 198, "fremovexattr": 199, "name_to_handle_at": 303, "open_by_handle_at": 304,
    "inotify_init": 253, "inotify_init1": 294, "fanotify_init": 300,
    # objects that outlive the process
    "shmget": 29, "shmat": 30, "shmctl": 31, "semget": 64, "semop": 65, "semctl": 66,
    "msgget": 68, "msgsnd": 69, "msgrcv": 70, "msgctl": 71, "mq_open": 240, "mq_unlink": 241,
    "add_key": 248, "request_key": 249, "keyctl": 250,
    # the machine
    "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "move_mount": 429,
    "open_tree": 428, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "mount_setattr": 442, "unshare": 272, "setns": 308, "bpf": 321, "perf_event_open": 298,
    "userfaultfd": 323, "seccomp": 317, "init_module": 175, "finit_module": 313,
    "delete_module": 176, "kexec_load": 246, "kexec_file_load": 320, "reboot": 169, "swapon": 167,
    "swapoff": 168, "quotactl": 179, "quotactl_fd": 443, "syslog": 103, "iopl": 172,
    "ioperm": 173, "modify_ldt": 154, "personality": 135, "sethostname": 170,
    "setdomainname": 171, "settimeofday": 164, "clock_settime": 227, "adjtimex": 159,
    "clock_adjtime": 305, "vhangup": 153, "nfsservctl": 180, "lookup_dcookie": 212,
}  # fmt: skip

_MODES: Final = (
    "chmod", "fchmod", "fchmodat", "fchmodat2", "utime", "utimes", "futimesat", "utimensat",
)  # fmt: skip

_SOCKET, _CONNECT, _SENDTO, _SENDMSG, _SOCKETPAIR = 41, 42, 44, 46, 53
_CLONE, _EXECVE, _KILL_CALL, _FCNTL, _TRUNCATE, _IOCTL = 56, 59, 62, 72, 76, 16
_PRCTL, _TGKILL, _PRLIMIT, _SENDMMSG = 157, 234, 302, 307

_CLONE_THREAD: Final = 0x00010000
_MSG_FASTOPEN: Final = 0x20000000
_FCNTL_SIGNALS: Final = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX
_IOCTL_SIGNALS: Final = (0x8901, 0x8902, 0x5412, 0x541C)  # FIOSETOWN, SIOCSPGRP, TIOCSTI, TIOCLINUX
_PRCTL_REFUSED: Final = (1, 4, 22, 35, 36, 0x59616D61)
"""PR_SET_PDEATHSIG, _DUMPABLE, _SECCOMP, _MM, _CHILD_SUBREAPER and _PTRACER."""

_Instruction = tuple[int, int, int, int]


def _return(action: int) -> _Instruction:
    return (_RETURN, 0, 0, action)


_PERM: Final = _return(_ERRNO | errno.EPERM)
_OK: Final = _return(_ALLOW)


def _argument(index: int) -> _Instruction:
    """The low half of an argument: the kernel reads these as 32-bit values too."""
    return (_LOAD, 0, 0, 16 + 8 * index)


def _call(number: int, *body: _Instruction) -> list[_Instruction]:
    return [(_JUMP_EQUAL, 0, len(body), number), *body]


def _one_of(
    values: tuple[int, ...], found: _Instruction, other: _Instruction
) -> list[_Instruction]:
    """Compares what is loaded: `found` if it is one of `values`, else `other`."""
    tests = [(_JUMP_EQUAL, len(values) - i, 0, v) for i, v in enumerate(values)]
    return [*tests, other, found]


def _no_bits(index: int, bits: int) -> list[_Instruction]:
    return [_argument(index), (_JUMP_BITS, 0, 1, bits), _PERM, _OK]


def _stream_only(domains: tuple[int, ...]) -> list[_Instruction]:
    """Checks of socket and socketpair: TCP or UNIX streams, no other protocol."""
    refused = _return(_ERRNO | errno.EACCES)
    jumps = [(_JUMP_EQUAL, len(domains) - i, 0, d) for i, d in enumerate(domains)]
    return [
        _argument(0), *jumps, refused,
        _argument(1), (_AND, 0, 0, 0xF), (_JUMP_EQUAL, 1, 0, 1), refused,
        _argument(2), (_JUMP_EQUAL, 2, 0, 0), (_JUMP_EQUAL, 1, 0, 6), refused, _OK,
    ]  # fmt: skip


def assemble(*, may_exec: bool, may_truncate: bool, may_set_modes: bool = False) -> bytes:
    """The filter for any child; `for_pid` makes it one child's.

    may_exec      the child still has to execute its runtime (Landlock says which files)
    may_truncate  Landlock mediates truncate(2) here (ABI 3)
    may_set_modes it unpacks archives, and no code of theirs runs: modes and times of its own files
    """
    program: list[_Instruction] = [
        (_LOAD, 0, 0, 4),
        (_JUMP_EQUAL, 1, 0, _AUDIT_ARCH),
        _return(_KILL),
        (_LOAD, 0, 0, 0),
        (_JUMP_AT_LEAST, 0, 1, _X32_BIT),
        _return(_KILL),
        (_JUMP_AT_LEAST, 0, 1, _NEWEST_CALL + 1),
        _return(_ERRNO | errno.ENOSYS),
        *_call(_CONNECT, _return(_NOTIFY)),
        *_call(_SOCKET, *_stream_only((2, 10))),
        *_call(_SOCKETPAIR, *_stream_only((1,))),
        *_call(_SENDTO, *_no_bits(3, _MSG_FASTOPEN)),
        *_call(_SENDMSG, *_no_bits(2, _MSG_FASTOPEN)),
        *_call(_SENDMMSG, *_no_bits(3, _MSG_FASTOPEN)),
        *_call(_CLONE, _argument(0), (_JUMP_BITS, 1, 0, _CLONE_THREAD), _PERM, _OK),
        *_call(_KILL_CALL, _argument(0), *_one_of((_OWN_PID,), _OK, _PERM)),
        *_call(_TGKILL, _argument(0), *_one_of((_OWN_PID,), _OK, _PERM)),
        *_call(_PRLIMIT, _argument(0), *_one_of((0, _OWN_PID), _OK, _PERM)),
        *_call(_FCNTL, _argument(1), *_one_of(_FCNTL_SIGNALS, _PERM, _OK)),
        *_call(_IOCTL, _argument(1), *_one_of(_IOCTL_SIGNALS, _PERM, _OK)),
        *_call(_PRCTL, _argument(0), *_one_of(_PRCTL_REFUSED, _PERM, _OK)),
    ]
    refused = set(_REFUSED.values())
    if may_set_modes:
        refused -= {_REFUSED[name] for name in _MODES}
    if not may_exec:
        refused.add(_EXECVE)
    if not may_truncate:
        refused.add(_TRUNCATE)
    for number in sorted(refused):
        program += _call(number, _PERM)
    for number in sorted(_NOT_THERE.values()):
        program += _call(number, _return(_ERRNO | errno.ENOSYS))
    program.append(_OK)
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


def for_pid(template: bytes, pid: int) -> bytes:
    return template.replace(struct.pack("<I", _OWN_PID), struct.pack("<I", pid))
