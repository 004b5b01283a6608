"""Options and arguments that several commands have."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import IO, Any, TypeVar, cast

import click
import httpx

from headwater_cli import settings
from headwater_cli.api import Api
from headwater_cli.failures import Failure
from headwater_cli.props import Given, WrongProps, duration, parse_json
from headwater_cli.sources import MINE

F = TypeVar("F", bound=Callable[..., Any])
# A shell waits for what Tab shall offer.
COMPLETING = httpx.Timeout(2)
OFFERED = 100


def connect() -> Api:
    return Api(settings.current())


def output(command: F) -> F:
    """`as_json`: whether the command prints JSON."""

    @wraps(command)
    def wrapped(**arguments: Any) -> Any:
        kind, flag = arguments.pop("output"), arguments.pop("json_flag")
        return command(as_json=flag or kind == "json", **arguments)

    flag = click.option("--json", "json_flag", is_flag=True, help="The same as -o json.")
    kinds = click.Choice(["table", "json"])
    kind = click.option("-o", "--output", type=kinds, default="table", show_default=True)
    return cast(F, kind(flag(wrapped)))


def _seconds(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    try:
        return None if value is None else duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def props(command: F) -> F:
    """The options about props, as one argument `given`."""

    @wraps(command)
    def wrapped(**arguments: Any) -> Any:
        file: IO[bytes] | None = arguments.pop("props_file")
        given = Given(
            pairs=arguments.pop("pairs"),
            file=None if file is None else read_object(file, "--props-file"),
            every=arguments.pop("every"),
            cron=arguments.pop("cron"),
            timezone=arguments.pop("timezone"),
            unset=arguments.pop("unset", ()),
        )
        return command(given=given, **arguments)

    made: Any = wrapped
    for option in (
        click.option("--timezone", metavar="ZONE", help="Of --cron, such as Europe/Berlin."),
        click.option("--cron", metavar="LINE", help="When its timer runs it: five fields."),
        click.option(
            "--every", metavar="TIME", callback=_seconds,
            help="How often its timer runs it: 90s, 15m, 1h30m, 2d.",
        ),
        click.option(
            "--props-file", type=click.File("rb"), metavar="FILE",
            help="A JSON object of props; - is standard input. The place for secrets.",
        ),
        click.option(
            "-p", "--prop", "pairs", multiple=True, metavar="NAME=VALUE",
            help="Set a prop; several times for a list.",
        ),
    ):  # fmt: skip
        made = option(made)
    return cast(F, made)


def read_object(file: IO[bytes], what: str) -> dict[str, Any]:
    try:
        value = parse_json(file.read().decode())
    except ValueError as error:
        # A decoder's message quotes nothing of the text.
        at = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise WrongProps(f"{what} is not JSON{at}") from None
    if not isinstance(value, dict):
        raise WrongProps(f"{what} is not a JSON object")
    return value


def complete_source(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Slugs of own sources for Tab. Silent whatever happens: there is nobody to read an error."""
    try:
        with Api(settings.current(), COMPLETING) as api:
            listed, _ = api.page(MINE, limit=OFFERED, include="name_slug")
    except (Failure, OSError):
        return []
    return [source["name_slug"] for source in listed if source["name_slug"].startswith(begun)]


def source_argument(name: str = "source") -> Callable[[F], F]:
    return click.argument(name, shell_complete=complete_source)
