"""Signals end what waits, also those that come a moment before it waits.

Python looks for signals between its own steps. One that arrives after the last look and before a
read that blocks is seen when the read returns: a command that follows a silent stream would not
heed Ctrl-C until something comes. (Seen in one of a hundred interrupts.) So a thread is told of
each signal through the pipe that Python writes to at once, and interrupts the main thread again
and again for a while, with a signal that says nothing: the read breaks off, and Python looks.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

# Ignored by who does not ask for it.
NUDGE = signal.SIGURG
TIMES, PAUSE_SECONDS = 20, 0.05


@contextlib.contextmanager
def heeded() -> Iterator[None]:
    """For the life of a command, in the main thread."""
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    before = signal.signal(NUDGE, _nothing)
    woken = signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
    main = threading.get_ident()
    threading.Thread(target=_nudge, args=(ours, main), name="signals", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(woken)
        # The thread ends with its pipe.
        os.close(theirs)
        signal.signal(NUDGE, before)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """That it is there makes the signal interrupt."""


def _nudge(pipe: int, thread: int) -> None:
    with open(pipe, "rb", buffering=0) as numbers:
        while came := numbers.read(64):
            if set(came) == {NUDGE}:
                continue
            for _ in range(TIMES):
                time.sleep(PAUSE_SECONDS)
                signal.pthread_kill(thread, NUDGE)
