"""`python -m stack run`, `backup FILE`, `restore FILE`: what `make run` and its like call.
`python -m stack process NAME`: one line of the Procfile, for units and containers."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from stack import backup, keeper, options, procfile, up
from stack.errors import StackError
from stack.supervisor import warn


def main() -> int:
    arguments = read()
    try:
        chosen = options.read(arguments.root.absolute())
        if arguments.command == "backup":
            backup.backup(chosen, arguments.file)
            return 0
        if arguments.command == "restore":
            backup.restore(chosen, arguments.file, hold=arguments.hold)
            return 0
        if arguments.command == "process":
            _become(arguments.root.absolute(), arguments.name)
        if arguments.die_with_parent:
            keeper.die_with_parent()
        lock = up.check(chosen)
    except StackError as problem:
        warn(f"error: {problem}")
        return 1
    # The lock's descriptor is open in this process and in the supervisor: it falls with the last.
    assert lock >= 0
    return keeper.keep(lambda: up.supervise(chosen))


def _become(root: Path, name: str) -> NoReturn:
    """This very process, which whoever started it watches, turns into that line's program."""
    lines = procfile.read(root / "Procfile")
    if name not in lines:
        raise StackError(f"no process type {name}: there are {', '.join(lines)}")
    os.chdir(root)
    program, *rest = procfile.shell(lines[name])
    os.execve(program, [program, *rest], options.environment({}))  # noqa: S606


def read(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """SystemExit with the usage where they are not understood."""
    parser = argparse.ArgumentParser(prog="stack", description=__doc__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--root", type=Path, default=options.ROOT, help="project to run")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", parents=[common], help="start everything, and keep it up")
    run.add_argument("--die-with-parent", action="store_true", help="stop when the caller dies")
    save = commands.add_parser(
        "backup", parents=[common], help="write the database to a file, beside what runs"
    )
    fill = commands.add_parser(
        "restore", parents=[common], help="fill an empty database; nothing may run on it"
    )
    one = commands.add_parser(
        "process", parents=[common], help="become one process of the Procfile, in its place"
    )
    one.add_argument("name", help="web, scheduler, worker or release")
    for command in (save, fill):
        command.add_argument("file", type=Path)
    fill.add_argument(
        "--hold", action="store_true", help="pause every source and webhook of the copy"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
