"""Runs a command; whatever goes wrong becomes one line and an exit code (`failures`)."""

from __future__ import annotations

import io
import os
import sys
from typing import NoReturn

import click

from headwater_cli import printing
from headwater_cli.commands import cli
from headwater_cli.failures import INTERRUPTED, NOT_DONE, USAGE, Failure
from headwater_cli.interrupting import heeded

NAME = "headwater"


def main() -> NoReturn:
    sys.exit(run())


def run() -> int:
    for stream in (sys.stdout, sys.stderr):
        # What a terminal's encoding has not is shown in another way, and is no error.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with heeded():
            code = cli.main(prog_name=NAME, standalone_mode=False)
    except Failure as failure:
        return _say(str(failure), failure.exit_code)
    except click.exceptions.NoArgsIsHelpError as asked:
        click.echo(asked.format_message(), err=True)
        return USAGE
    except click.UsageError as wrong:
        command = wrong.ctx.command_path if wrong.ctx else NAME
        return _say(f"{wrong.format_message()} ({command} --help)", USAGE)
    except click.ClickException as wrong:
        return _say(wrong.format_message(), wrong.exit_code)
    except click.Abort:
        return _say("interrupted", INTERRUPTED)
    except printing.ReaderGone:
        # Nothing shall complain at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except UnicodeEncodeError:
        return _say("what was given is not UTF-8", USAGE)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _say(f"{place}{error.strerror or error}", NOT_DONE)
    return code if isinstance(code, int) else 0


def _say(message: str, code: int) -> int:
    printing.note(f"error: {message}")
    return code


if __name__ == "__main__":
    main()
