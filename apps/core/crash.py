"""Named points at which a process can be made to die, as by kill -9, or to freeze (tests/faults).

Armed by `CRASH_AT` in the environment: `<point>`, or `<point>:freeze` for SIGSTOP, once. Unarmed,
a point costs next to nothing.

    before_lease    a hint has come, no lease is taken
    after_lease     leases are taken and mailboxes read, no child has started
    drained         runs have ended, nothing of them is written
    before_commit   everything is written, COMMIT is not yet sent
    after_commit    COMMIT was answered, nothing is in the streams
    after_publish   the entries are in the streams, the lease is still held
    before_fan_out  the Runs of listeners are inserted, COMMIT is not yet sent
"""

from __future__ import annotations

import os
import signal
import threading

from django.conf import settings

_frozen: set[str] = set()


def crash(point: str) -> None:
    if not settings.CRASH_AT:
        return
    if point == settings.CRASH_AT:
        os._exit(137)
    if f"{point}:freeze" == settings.CRASH_AT and point not in _frozen:
        _frozen.add(point)
        # Sent to this very thread: it goes no further, and all others stop with it.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
