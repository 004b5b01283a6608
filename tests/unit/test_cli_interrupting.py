"""A signal that comes where no blocking call of the main thread is interrupted by it."""

from __future__ import annotations

import subprocess
import sys

from tests.processes import ROOT

# The signal hits another thread: the read of the main thread goes on, as it does when the signal
# comes a moment before it begins.
WAITS = """
import signal
import socket
import threading
from headwater_cli.interrupting import heeded

# Ignored by what is started in the background of a shell.
signal.signal(signal.SIGINT, signal.default_int_handler)
mine, _other = socket.socketpair()
mine.settimeout(600)
other = threading.Thread(target=threading.Event().wait, daemon=True)
other.start()
threading.Timer(0.2, lambda: signal.pthread_kill(other.ident, signal.SIGINT)).start()
try:
    with heeded():
        mine.recv(1)
except KeyboardInterrupt:
    print("heeded")
"""


def test_a_read_that_waits_is_broken_off() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WAITS],
        cwd=ROOT / "client",
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.stdout, done.stderr) == ("heeded\n", "")
