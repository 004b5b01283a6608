"""`docs/cli.md` tells every command and option, and none that there is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from headwater_cli.commands import cli

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs/cli.md").read_text("utf-8")
EVERYWHERE = {"--help", "-h"}


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


ALL = dict(commands(cli))


def test_every_command_is_told_with_an_example() -> None:
    missing = [name for name in ALL if f"headwater {name}" not in GUIDE]
    assert missing == []


def test_every_option_is_told_and_every_option_told_exists() -> None:
    options = {
        word
        for command in [cli, *ALL.values()]
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for word in parameter.opts + parameter.secondary_opts
    }
    told = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", GUIDE))
    assert options - told - EVERYWHERE == set()
    assert {word for word in told if word.startswith("--")} - options - EVERYWHERE == set()


def test_every_command_and_option_says_what_it_is_for() -> None:
    silent = [name for name, command in ALL.items() if not command.help]
    silent += [
        f"{name} {parameter.name}"
        for name, command in ALL.items()
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.help
    ]
    assert [one for one in silent if not one.endswith(" output")] == []
