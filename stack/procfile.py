"""The Procfile: the one list of processes, for the stack and for any other process manager."""

from __future__ import annotations

from pathlib import Path

from stack.errors import StackError

# Runs once before the others, and ends: the database's shape, the first user.
RELEASE = "release"


def read(path: Path) -> dict[str, str]:
    """The shell command of each process type, in the order of the file."""
    found: dict[str, str] = {}
    for line in path.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, command = line.partition(":")
        if not colon or not command.strip():
            raise StackError(f"{path}: not a `name: command` line: {line}")
        found[name.strip()] = command.strip()
    return found


def shell(command: str) -> list[str]:
    """The argument list that runs one line of the file and becomes it."""
    return ["/bin/sh", "-c", f"exec {command}"]
