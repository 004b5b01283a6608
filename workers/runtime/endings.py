"""Why a child ended, in words."""

from __future__ import annotations

import os
import signal
from typing import Final

from apps.runs.contract import OUT_OF_DISK, OUT_OF_MEMORY, PROCESS_EXITED, RunError

_SIGNALS: Final = {number.value: number.name for number in signal.Signals}
_HEAP_TRACE: Final = b"out of memory"
"""V8 says so on standard error before it aborts."""

RAN_OUT_OF_MEMORY: Final = RunError(
    OUT_OF_MEMORY, "the run used more memory than it may", code="out_of_memory"
)
RAN_OUT_OF_DISK: Final = RunError(
    OUT_OF_DISK,
    "the files of the run took more disk, or were more, than they may",
    code="out_of_disk",
)


def ran_out_of_memory(error: RunError) -> bool:
    """Whether an exception of the component is its language's way of saying so."""
    return error.name == "MemoryError" or (
        error.name == "RangeError" and error.message.startswith("Array buffer allocation failed")
    )


def why_it_ended(status: int | None, last_words: bytes) -> RunError:
    """The error of a run whose child ended with this wait status; None: its zygote died."""
    if status is None:
        how = "the process was ended with its supervisor"
    elif os.WIFSIGNALED(status):
        if _HEAP_TRACE in last_words:
            return RAN_OUT_OF_MEMORY
        number = os.WTERMSIG(status)
        how = f"the process was ended by {_SIGNALS.get(number, f'signal {number}')}"
    else:
        how = f"the process exited with status {os.WEXITSTATUS(status)}"
    return RunError(PROCESS_EXITED, how, code="process_exited")
