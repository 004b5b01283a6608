"""What the code reads from the environment, found in its text."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def settings() -> set[str]:
    """The names that config/settings.py, the stack and the Procfile read."""
    read = set(
        re.findall(
            r'(?:_int|_float|_list|_env\.get)\(\s*"([A-Z_]+)"',
            (ROOT / "config/settings.py").read_text(),
        )
    )
    read |= set(re.findall(r'"([A-Z_]+)"', (ROOT / "stack/options.py").read_text()))
    read |= set(re.findall(r"\$\{([A-Z_]+):-", (ROOT / "Procfile").read_text()))
    # Set by the stack for its own processes.
    return read - {"PATH", "PYTHONUNBUFFERED"}


SETTINGS = settings()
