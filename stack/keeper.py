"""Nothing is left behind, whichever process of the stack is killed.

Three ties, each made by the kernel: every program dies with the supervisor (launch.py); the
supervisor is told to stop when the keeper dies; and the keeper, as the nearest subreaper, inherits
every orphan of the stack and ends it once the supervisor is gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

import psutil

from stack.supervisor import warn

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
# How long programs whose supervisor was killed get to stop on their own.
ORPHAN_GRACE_S = 12.0


def die_with_parent() -> None:
    """Be asked to stop (SIGTERM) when the process that started this one dies."""
    _prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))


def keep(supervise: Callable[[], int]) -> int:
    """Run `supervise` in a process of its own, pass signals on to it, and clear up behind it.

    The exit code is that of `supervise`, or 1 when it was killed.
    """
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    sys.stdout.flush()
    keeper = os.getpid()
    supervisor = os.fork()
    if supervisor == 0:
        # A group of its own: Ctrl-C comes once, from the keeper.
        os.setpgid(0, 0)
        die_with_parent()
        if os.getppid() != keeper:
            os._exit(1)
        os._exit(supervise())

    def forward(number: int, _frame: FrameType | None) -> None:
        os.kill(supervisor, number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, forward)
    status = _reap_until(supervisor)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if os.WIFEXITED(status):
        _clear(0)
        return os.WEXITSTATUS(status)
    warn("the supervisor was killed: stopping everything")
    _clear(ORPHAN_GRACE_S)
    return 1


def _reap_until(pid: int) -> int:
    """Reap every child and adopted orphan; the wait status of `pid` when it ends."""
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            return status


def _clear(grace_s: float) -> None:
    """Reap until nothing is left; what outlives its program, or the grace, is killed."""
    deadline = time.monotonic() + grace_s
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        orphans = psutil.Process().children(recursive=True)
        if time.monotonic() >= deadline or not any(map(_is_program, orphans)):
            for orphan in orphans:
                with contextlib.suppress(psutil.NoSuchProcess):
                    orphan.kill()
        time.sleep(0.02)


def _is_program(process: psutil.Process) -> bool:
    """Whether the supervisor started it: each of its programs leads a session."""
    pid: int = process.pid
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
