"""`login`, `logout`: which Headwater, and with which key."""

from __future__ import annotations

import sys

import click

from headwater_cli import printing, settings
from headwater_cli.api import Api
from headwater_cli.failures import Failure, Refused


@click.command()
@click.argument("url", required=False)
def login(url: str | None) -> None:
    """Keep an API key for the Headwater at URL.

    The key is asked for, or read from standard input:

        headwater login http://127.0.0.1:8000 < var/api_key

    Without URL: the last one, HEADWATER_URL, or http://127.0.0.1:8000.
    """
    saved = settings.saved()
    try:
        address = settings.clean_url(url) if url else settings.current_url(saved)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="URL") from None
    try:
        key = settings.clean_key(_asked(address))
    except ValueError as error:
        raise Failure(str(error)) from None
    who = _who(settings.Site(address, key))
    saved.url, saved.keys[address] = address, key
    path = settings.save(saved)
    printing.note(f"logged in to {address}{who}; the key is kept in {path}")


@click.command()
def logout() -> None:
    """Forget the key of the Headwater in use. To revoke it, delete it there."""
    saved = settings.saved()
    address = settings.current_url(saved)
    if saved.keys.pop(address, None) is None:
        raise Failure(f"no key is kept for {address}")
    settings.save(saved)
    printing.note(f"the key for {address} is forgotten")


def _asked(address: str) -> str:
    if sys.stdin.isatty():
        key: str = click.prompt(f"API key for {address}", hide_input=True, err=True)
        return key
    return sys.stdin.readline()


def _who(site: settings.Site) -> str:
    with Api(site) as api:
        try:
            return f" as {api.get('users/me', include='username')['username']}"
        except Refused as refused:
            # A key that may only write is a good one.
            if refused.code != "insufficient_scope":
                raise
            return ""


COMMANDS = [login, logout]
