"""`accounts`: credentials for the apps of components. They go in, and never come out."""

from __future__ import annotations

from typing import IO

import click

from headwater_cli import printing
from headwater_cli.api import Resource, segment
from headwater_cli.commands.options import connect, output, read_object
from headwater_cli.failures import Failure


@click.group()
def accounts() -> None:
    """The accounts that components of an app may use."""


@accounts.command("list")
@click.option("--app", help="Only of this app.")
@output
def list_(app: str | None, as_json: bool) -> None:
    """List your accounts; newest first."""
    with connect() as api:
        found = list(api.walk("accounts", app=app))
    if as_json:
        printing.show_json(found)
        return
    printing.show_table(
        ("ID", "APP", "NAME", "CREATED", "EXPIRES", "ERROR"),
        (
            (
                one["id"],
                one["app_slug"],
                one["name"],
                printing.when(one["created_at"]),
                printing.when(one["expires_at"]),
                one["error"],
            )
            for one in found
        ),
    )


@accounts.command()
@click.argument("app")
@click.option("--name", help="To tell it from others of the app.")
@click.option(
    "--file", type=click.File("rb"), metavar="FILE",
    help="A JSON object of credentials; - is standard input.",
)  # fmt: skip
@click.option(
    "--ask", "asked", multiple=True, metavar="NAME", help="Ask for this credential, unseen."
)
@output
def add(
    app: str, name: str | None, file: IO[bytes] | None, asked: tuple[str, ...], as_json: bool
) -> None:
    """Keep credentials for APP. They are read from a file or asked for, never taken as options."""
    if (file is None) == (not asked):
        raise click.UsageError("say either --file or --ask")
    credentials = {} if file is None else read_object(file, "--file")
    for one in asked:
        credentials[one] = click.prompt(one, hide_input=True, err=True)
    with connect() as api:
        made: Resource = api.post(
            "accounts", {"app_slug": app, "name": name, "credentials": credentials}
        )
    if as_json:
        printing.show_json(made)
    else:
        printing.show_facts([("id", made["id"]), ("app", made["app_slug"]), ("name", made["name"])])


@accounts.command("connect")
@click.argument("app")
@click.option("--name", help="To tell it from others of the app.")
@click.option("--account", help="The account to connect again, by its id.")
@output
def connect_(app: str, name: str | None, account: str | None, as_json: bool) -> None:
    """Print an address at which a browser connects an account of APP by OAuth."""
    with connect() as api:
        offered: Resource = api.post(
            f"connect/{segment(app)}", {"name": name, "account_id": account}
        )
    if as_json:
        printing.show_json(offered)
    else:
        printing.note(f"open this before {printing.when(offered['expires_at'])}:")
        printing.show(printing.safe(offered["url"]))


@accounts.command()
@click.argument("account")
@click.option("--force", is_flag=True, help="Even where sources use it.")
def delete(account: str, force: bool) -> None:
    """Delete ACCOUNT (its id) and its credentials here."""
    if not account.startswith("apn_"):
        raise Failure(f"{account!r} is no id of an account (apn_…)")
    with connect() as api:
        api.delete(f"accounts/{segment(account)}", force="true" if force else None)
    printing.note(f"deleted {account}")


COMMANDS = [accounts]
