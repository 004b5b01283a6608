"""The published task scheduler, unmodified: it schedules, lists, cancels and delivers through this
platform's own API, which it calls under the name of the host that it was written for (component
specification 12, case 10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.corpus.platform import Platform
from tests.corpus.providers import Reply, Request
from tests.corpus.stage import NOW, Event
from tests.making import until

PATH = "pipedream/sources/new-scheduled-tasks/task-scheduler.js"


def test_the_task_scheduler(platform: Platform) -> None:
    def pass_on(request: Request) -> Any:
        """The edge behind the name, where TLS ends."""
        kept = ("authorization", "content-type", "accept")
        answer = httpx.request(
            request.method,
            f"{platform.address}{request.path}",
            params=request.query,
            content=request.body,
            headers={name: request.headers[name] for name in kept if name in request.headers},
            timeout=60,
        )
        headers = {"Content-Type": answer.headers.get("content-type", "text/plain")}
        return Reply(answer.text, answer.status_code, headers)

    for method in ("GET", "POST", "DELETE"):
        platform.providers.on(method, "https://api.pipedream.com/v1/**", pass_on)
    source = platform.deploy(
        PATH, ("pipedream", "pipedream", {"api_key": platform.key}), secret="s3cret"
    )
    where, secret = platform.endpoint(source), {"X-PD-Secret": "s3cret"}

    refused = httpx.post(f"{where}/schedule", json={"message": "m"}, timeout=60)
    assert refused.status_code == 400
    assert [error.split()[0] for error in refused.json()["errors"]] == ["Secret", "No"]

    def schedule(message: str, ahead: timedelta) -> tuple[str, dict[str, Any]]:
        moment = datetime.now(UTC) + ahead
        task = {"timestamp": moment.isoformat(), "message": message}
        answer = httpx.post(f"{where}/schedule", json=task, headers=secret, timeout=60)
        assert answer.status_code == 200, answer.text
        assert answer.json()["msg"] == "Successfully scheduled task"
        return answer.json()["id"], task

    later, later_task = schedule("later", timedelta(days=30))
    soon, soon_task = schedule("soon", timedelta(seconds=3))

    def waiting(name: str, task: dict[str, Any]) -> Event:
        return Event({**task, "$channel": "self", "$id": name}, name, channel="self")

    assert platform.providers.calls("POST", "https://api.pipedream.com/v1/subscriptions")
    platform.eventually(source, [waiting(later, later_task), waiting(soon, soon_task)], "self")

    gone = httpx.post(f"{where}/cancel", json={"id": later}, headers=secret, timeout=60)
    assert (gone.status_code, gone.json()) == (
        200,
        {"msg": f"Cancelled scheduled task for event {later}"},
    )
    until(lambda: len(platform.events(source, "self")) == 1, 60, "the cancelled task is gone")
    again = httpx.post(f"{where}/cancel", json={"id": later}, headers=secret, timeout=60)
    assert again.status_code == 404

    def delivered() -> list[Event]:
        return [event for event in platform.events(source) if not event.channel]

    until(delivered, 100, "the task that was due")
    [event] = delivered()
    assert (event.payload, event.id, event.ts) == (soon_task, soon, NOW)
