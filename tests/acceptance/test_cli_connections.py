"""`headwater subscribe, unsubscribe, subscriptions, accounts` against a running stack."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.developer import Developer
from tests.making import until

PASSING = """
from headwater import Source


class Passing(Source):
    name = "Passing"

    def run(self, event):
        self.emit(event)
"""


def deploy(developer: Developer, name: str) -> str:
    developer.writes("passing.py", PASSING)
    made: str = developer.json("deploy", "passing.py", "--name", name)["id"]
    return made


def test_events_are_carried_until_nobody_listens(developer: Developer) -> None:
    emitter, listener = deploy(developer, "Emitting"), deploy(developer, "Listening")
    made = developer.json("subscribe", "emitting", "listening")
    assert (made["emitter_id"], made["listener_id"]) == (emitter, listener)
    assert made["id"] in developer.types("subscriptions").stdout
    developer.types("run", "emitting", "--event", "-", given='{"n": 1}')
    until(lambda: developer.json("events", "listening"), 60, "the event")

    developer.types("unsubscribe", "emitting", "listening")
    assert made["id"] not in {one["id"] for one in developer.json("subscriptions")}
    assert "not found" in developer.refused("unsubscribe", "emitting", "listening", code=1)


def test_a_url_listens_through_a_webhook(developer: Developer) -> None:
    emitter = deploy(developer, "Calling")
    url = "https://example.org/hook"
    made = developer.json("subscribe", "calling", url, "--channel", "$errors")
    assert made["webhook"]["url"] == url
    assert made["listener_id"] == made["webhook"]["id"]
    assert made["event_name"] == "$errors"
    developer.types("unsubscribe", emitter, made["listener_id"], "--channel", "$errors")
    every = developer.json("subscribe", "dc_*", made["listener_id"])
    assert every["emitter_id"] == "dc_*"
    assert "secret" in developer.types("subscribe", "calling", url).stdout


def test_credentials_go_in_and_do_not_come_out(developer: Developer) -> None:
    given = json.dumps({"api_key": "s3cret-of-mine"})
    words = ("accounts", "add", "a_service", "--name", "work", "--file", "-")
    made = developer.types(*words, given=given)
    assert "s3cret" not in made.stdout + made.stderr
    [listed] = developer.json("accounts", "list", "--app", "a_service")
    assert listed["id"] in made.stdout
    assert listed["id"] in developer.types("accounts", "list").stdout
    developer.types("accounts", "delete", listed["id"])
    assert developer.json("accounts", "list", "--app", "a_service") == []
    assert developer.refused("accounts", "connect", "a_service", code=1)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        pytest.param(("add", "x"), "say either --file or --ask", id="neither"),
        pytest.param(("add", "x", "--file", "-", "--ask", "y"), "say either", id="both"),
    ],
)
def test_credentials_come_from_one_place(
    developer: Developer, words: tuple[str, ...], line: str
) -> None:
    assert developer.refused("accounts", *words, code=2).startswith(line)
