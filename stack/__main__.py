"""`python -m stack run`: what `make run` calls."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from stack import keeper, options, up
from stack.errors import StackError
from stack.supervisor import warn


def main() -> int:
    parser = argparse.ArgumentParser(prog="stack", description=__doc__)
    parser.add_argument("command", choices=["run"])
    parser.add_argument("--die-with-parent", action="store_true", help="stop when the caller dies")
    parser.add_argument("--root", type=Path, default=options.ROOT, help="project to run")
    arguments = parser.parse_args()
    if arguments.die_with_parent:
        keeper.die_with_parent()
    try:
        chosen = options.read(arguments.root.absolute())
        lock = up.check(chosen)
    except StackError as problem:
        warn(f"error: {problem}")
        return 1
    # The lock's descriptor is open in this process and in the supervisor: it falls with the last.
    assert lock >= 0
    return keeper.keep(lambda: up.supervise(chosen))


if __name__ == "__main__":
    sys.exit(main())
