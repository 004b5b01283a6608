"""One property for so many seconds: half of them with values that Hypothesis draws at random, half
guided by what code they reach (atheris, where it is installed).

`python -m tests.fuzz.one MODULE FUNCTION SECONDS FILE` writes the numbers of cases into the file.
What fails is shown, ends the process, and is kept for the next run of the same test.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
import time
from pathlib import Path
from typing import Any

import django
from hypothesis import HealthCheck, settings

GUIDED = ("apps", "workers")


class Counts:
    """How often a property ran to its end, in each way."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._cases = {"random": 0, "guided": 0}
        self.kind = "random"

    def add(self) -> None:
        self._cases[self.kind] += 1
        if self._cases[self.kind] % 200 == 0:
            self.write()

    def write(self) -> None:
        self._file.write_text(f"{self._cases['random']} {self._cases['guided']}")


def counted(inner: Any, counts: Counts) -> Any:
    @functools.wraps(inner)
    def run(*args: Any, **kwargs: Any) -> None:
        inner(*args, **kwargs)
        counts.add()

    return run


def main(module: str, function: str, seconds: float, file: Path) -> None:
    atheris = _atheris()
    watching = (
        atheris.instrument_imports(include=list(GUIDED)) if atheris else contextlib.nullcontext()
    )
    with watching:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
        django.setup()
        test = getattr(importlib.import_module(module), function)
    counts = Counts(file)
    test.hypothesis.inner_test = counted(test.hypothesis.inner_test, counts)
    calm = settings(
        max_examples=500, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
    )
    test = calm(test)
    end = time.monotonic() + (seconds / 2 if atheris else seconds)
    while time.monotonic() < end:
        test()
    counts.write()
    if atheris is None:
        return
    counts.kind = "guided"
    limits = [f"-max_total_time={int(seconds / 2)}", "-timeout=120", "-rss_limit_mb=4096"]
    atheris.Setup(
        [sys.argv[0], *limits, "-print_final_stats=0", "-verbosity=0"],
        test.hypothesis.fuzz_one_input,
    )
    atheris.Fuzz()


def _atheris() -> Any:
    """It is made for few machines."""
    try:
        return importlib.import_module("atheris")
    except ImportError:
        return None


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), Path(sys.argv[4]))
