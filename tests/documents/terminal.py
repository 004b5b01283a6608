"""A terminal with a bash in it, into which lines are pasted."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pexpect
import psutil

_PROMPT = re.compile(r"\[typed:(?P<code>\d+|more)\] ")
SECONDS = 60


def _heed() -> None:
    """A terminal hears Ctrl-C; tests that run in the background of a shell have inherited to
    ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """What was shown and not yet expected is `rest`; a command that goes on is `busy`."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._shell: Any = pexpect.spawn(
            "bash",
            ["--norc", "--noprofile", "--noediting", "-i"],
            cwd=str(folder),
            env={**environment, "PS1": "[typed:$?] ", "PS2": "[typed:more] ", "TERM": "dumb"},
            echo=False,
            encoding="utf-8",
            dimensions=(50, 200),
            timeout=SECONDS,
            preexec_fn=_heed,
        )
        self.busy = False
        self._shell.expect(_PROMPT)

    def paste(self, text: str, *, goes_on: bool = False) -> str:
        """Types the lines and waits for each command to end with 0; gives what they have shown.
        goes_on  the last line does not end: nothing is waited for after it
        """
        if self.busy:
            self.interrupt()
        shown = ""
        lines = text.splitlines()
        for number, line in enumerate(lines, 1):
            self._shell.sendline(line)
            if goes_on and number == len(lines):
                self.busy = True
                return shown
            self._shell.expect(_PROMPT)
            shown += self._shell.before
            code = self._shell.match["code"]
            assert code in ("0", "more"), f"{line}\nended with {code}: {shown}"
        return shown.replace("\r\n", "\n")

    def shows(self, text: str, within_s: float = SECONDS) -> None:
        """Waits until what goes on there has shown the line, after what was waited for before."""
        try:
            self._shell.expect_exact(text, timeout=within_s)
        except (pexpect.TIMEOUT, pexpect.EOF):
            raise AssertionError(f"{text!r} not in {self._shell.before!r}") from None

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._shell.sendintr()
        self._shell.expect(_PROMPT)
        self.busy = False

    def close(self) -> None:
        """Closes the window: what was left in it is told to end, then made to."""
        shell = psutil.Process(self._shell.pid)
        tree = shell.children(recursive=True)
        for process in tree:
            # Another of the tree may have taken it along.
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        for process in psutil.wait_procs(tree, timeout=30)[1]:
            process.kill()
        self._shell.close(force=True)
