"""`completion`: what a shell needs to complete the command's words."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes commands, options and names of sources in SHELL.

        eval "$(headwater completion bash)"

    in ~/.bashrc; for zsh the same in ~/.zshrc; for fish

        headwater completion fish > ~/.config/fish/completions/headwater.fish
    """
    made = get_completion_class(shell)
    assert made is not None
    root = context.find_root()
    click.echo(made(root.command, {}, "headwater", "_HEADWATER_COMPLETE").source())


COMMANDS = [completion]
