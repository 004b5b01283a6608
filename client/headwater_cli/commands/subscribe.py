"""`subscribe`, `unsubscribe`, `subscriptions`: who listens to whom."""

from __future__ import annotations

import re

import click

from headwater_cli import printing
from headwater_cli.api import Api, Resource
from headwater_cli.commands.options import connect, output, source_argument
from headwater_cli.sources import source_id

# `dc_*`: all sources of the user.
ALL_SOURCES = "dc_*"
_URL = re.compile(r"https?://", re.IGNORECASE)
_WEBHOOK = re.compile(r"wh_[0-9A-Za-z]+")
CHANNEL = click.option("--channel", default="", help="Another channel than the default one.")


@click.command()
@source_argument("emitter")
@source_argument("listener")
@CHANNEL
@output
def subscribe(emitter: str, listener: str, channel: str, as_json: bool) -> None:
    """Carry the events of EMITTER to LISTENER from now on.

    EMITTER is a source, or dc_* for all of yours. LISTENER is a source, a webhook (wh_…), or a URL,
    for which a webhook is made; the secret that signs its requests is shown here only.
    """
    with connect() as api:
        emitting = _emitter(api, emitter)
        webhook: Resource | None = None
        if _URL.match(listener):
            webhook = api.post("webhooks", {"url": listener})
        listening = webhook["id"] if webhook else _listener(api, listener)
        made: Resource = api.post(
            "subscriptions", emitter_id=emitting, listener_id=listening, event_name=channel
        )
    if as_json:
        printing.show_json(made | ({"webhook": webhook} if webhook else {}))
        return
    facts = [("id", made["id"]), ("emitter", emitting), ("listener", listening)]
    facts += [("secret", webhook["secret"])] if webhook else []
    printing.show_facts([*facts, ("channel", channel or None)])


@click.command()
@source_argument("emitter")
@source_argument("listener")
@CHANNEL
def unsubscribe(emitter: str, listener: str, channel: str) -> None:
    """Carry no more events of EMITTER to LISTENER, a source or a webhook (wh_…)."""
    with connect() as api:
        api.delete(
            "subscriptions",
            emitter_id=_emitter(api, emitter),
            listener_id=_listener(api, listener),
            event_name=channel,
        )
    printing.note(f"{listener} listens to {emitter} no more")


@click.command()
@output
def subscriptions(as_json: bool) -> None:
    """List who listens to whom."""
    with connect() as api:
        found: list[Resource] = api.get("users/me/subscriptions")
    if as_json:
        printing.show_json(found)
        return
    printing.show_table(
        ("ID", "EMITTER", "LISTENER", "CHANNEL"),
        (
            (one["id"], one["emitter_id"], one["listener_id"], one["event_name"] or None)
            for one in found
        ),
    )


def _emitter(api: Api, named: str) -> str:
    return named if named == ALL_SOURCES else source_id(api, named)


def _listener(api: Api, named: str) -> str:
    return named if _WEBHOOK.fullmatch(named) else source_id(api, named)


COMMANDS = [subscribe, unsubscribe, subscriptions]
