"""What stands in the stack before the first page is opened: made over the API, as a developer does,
and hostile wherever a stranger can write. A few tables that only trouble fills get a row by hand.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg

from tests.loopback import Posted, Receiver
from tests.making import until
from tests.processes import Running

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"

# Emits what it is run with, and says so; `{"fail": …}` is an error.
TICKER = f"""
from headwater import Http, Source, Store, Timer


class Ticker(Source):
    name = "Ticker {HOSTILE}"
    version = "0.0.1"
    description = "Counts its runs {HOSTILE}"
    timer = Timer(interval_seconds=86400)
    http = Http()
    db = Store()

    def run(self, event):
        count = self.db.get("count", 0) + 1
        self.db.set("count", count)
        print("run", count, "{HOSTILE}")
        if event.get("fail"):
            raise ValueError(event["fail"])
        summary = f"count {{count}} {HOSTILE}"
        self.emit({{"count": count, "event": event}}, id=count, summary=summary)
"""
LISTENER = """
module.exports = {
  name: "Listener",
  version: "0.0.1",
  props: { db: "$.service.db", threshold: { type: "integer", label: "Threshold", default: 3 } },
  async run(event) {
    console.log("heard", JSON.stringify(event));
    this.$emit({ heard: event }, { summary: "heard" });
  },
};
"""


@dataclass(frozen=True, slots=True)
class House:
    """The API, and what was made over it."""

    api: httpx.Client
    ticker: str
    listener: str
    webhook: str

    def run(self, **event: Any) -> None:
        """One run of the ticker, waited for."""
        before = len(self.ended())
        assert self.api.post(f"/sources/{self.ticker}/run", json=event).status_code == 202
        until(lambda: len(self.ended()) > before, 30, "the run")

    def ended(self) -> list[Any]:
        """The ended runs of the ticker."""
        listed = self.api.get(f"/sources/{self.ticker}/runs", params={"limit": 100}).json()["data"]
        return [run for run in listed if run["state"] not in ("queued", "running")]


class Hooks(Receiver):
    """Takes deliveries; below `/no` it has trouble."""

    def take(self, posted: Posted) -> int:
        return 503 if posted.path.startswith("/no") else 204


def build(stack: Running, receiver: Hooks) -> House:
    api = stack.client()
    ticker = made(api, "/sources", component_code=TICKER, language="python", name=HOSTILE)
    listener = made(api, "/sources", component_code=LISTENER, language="javascript")
    hook, troubled = (
        made(api, "/webhooks", url=receiver.url(path), name=HOSTILE) for path in ("/hook", "/no")
    )
    for listens in (listener, hook, troubled):
        parties = {"emitter_id": ticker, "listener_id": listens}
        assert api.post("/subscriptions", params=parties).status_code == 200
    rule = {"event_name": "$errors", "listener_id": hook}
    assert api.post("/auto_subscriptions", params=rule).status_code == 200
    house = House(api, ticker, listener, hook)
    # Each run after it is one that was asked for.
    until(house.ended, 60, "the first tick, which is at once")
    house.run(note=HOSTILE, link="javascript:alert(3)")
    house.run(fail=HOSTILE)
    with psycopg.connect(
        json.loads((stack.data / "servers.json").read_text())["database_url"], autocommit=True
    ) as connection:
        _by_hand(connection)
        # They are there only a while after a run.
        asked = "SELECT EXISTS (SELECT FROM accounts_usageday) AND EXISTS (SELECT FROM delivery)"
        until(lambda: connection.execute(asked).fetchone() == (True,), 30, "usage and deliveries")
    return house


def made(api: httpx.Client, path: str, **body: Any) -> str:
    """The id of what a POST made."""
    answer = api.post(path, json=body)
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["data"]["id"]
    return found


def _by_hand(connection: psycopg.Connection[Any]) -> None:
    """Rows that nothing works on: what is due is due in another century."""
    for table, columns in ROWS.items():
        names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
        connection.execute(
            f"INSERT INTO {table} ({names}) VALUES ({marks})".encode(), list(columns.values())
        )


LATER, PAYLOAD = "2100-01-01", json.dumps({"x": HOSTILE, "link": "javascript:alert(4)"}).encode()
ROWS: dict[str, dict[str, object]] = {
    "mailbox": {
        "source_id": "dc_nobody", "cause": "manual", "key": HOSTILE, "cause_at": LATER,
        "due_at": LATER, "queued_at": LATER, "payload": PAYLOAD,
    },
    "http_response": {
        "run_id": "00000000-0000-5000-8000-000000000000", "status": 200, "body": PAYLOAD,
        "created_at": LATER,
    },
    "fanout_due": {
        "source_id": "dc_nobody", "due_at": LATER, "channel": HOSTILE, "ms": 1, "n": 0,
    },
    "sources_skippedslots": {
        "source_id": "dc_nobody", "generation": 1, "from_ms": 1, "to_ms": 2, "count": 2,
        "reason": "downtime", "blocker": 0,
    },
    "accounts_oauthclient": {
        "app_slug": "github", "authorize_url": "https://login.example/a",
        "token_url": "https://login.example/t", "client_id": HOSTILE, "client_secret": "",
        "token_auth": "basic", "scopes": "", "parameters": "{}", "pkce": True, "profile_url": "",
        "fields": "{}",
    },
    "components_packageset": {
        "name": f"npm-{HOSTILE}", "language": "javascript", "runtime": HOSTILE,
        "manifest": HOSTILE, "lock": "{}",
    },
}  # fmt: skip
