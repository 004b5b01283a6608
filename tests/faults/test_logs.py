"""What real processes write: one JSON object a line from their start to their end, whoever speaks,
found by the id that the caller has; and nothing of what strangers sent."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import orjson

from tests.api.live import deploy, make_key
from tests.faults.fleet import Fleet
from tests.making import until

HOSTILE = "hunter2-hunter2\n{}"
SECRET = "hunter2"
# What Celery says on standard output when it is told to stop; logs are on standard error.
SAID = ("", "worker: Warm shutdown (MainProcess)")


def lines(text: str) -> list[dict[str, Any]]:
    """Each of them; a line that is no object fails."""
    found = [orjson.loads(line) for line in text.splitlines() if line not in SAID]
    for line in found:
        assert {"event", "level", "logger", "timestamp", "pid"} <= line.keys(), line
    return found


def test_every_line_is_one_and_leads_back_to_its_request(fleet: Fleet) -> None:
    url = fleet.web()
    worker, scheduler = fleet.worker(PROCESS="worker7"), fleet.scheduler()
    worker.wait_ready()
    scheduler.wait_ready()
    key = make_key(fleet.world)
    endpoint = deploy(fleet.world)
    web = next(p for p in fleet.processes if p.name.startswith("web"))

    def hostile() -> None:
        """Whatever a stranger may send, to whom it is refused and to whom it is not."""
        headers = {"x-request-id": SECRET, "cookie": f"sessionid={SECRET}"}
        right = {**headers, "authorization": f"Bearer {key}"}
        with httpx.Client(base_url=url, timeout=20) as client:
            client.get("/v1/users/me", headers={**headers, "authorization": f"Bearer {SECRET}"})
            client.get("/v1/users/me", headers=headers, params={"api_key": SECRET})
            client.post("/v1/sources", headers=right, content=f'{{"{SECRET}')
            client.post("/v1/sources", headers=right, json={"component_code": HOSTILE})
            client.post("/admin/login/", data={"username": SECRET, "password": SECRET})
            client.post(f"/h/{endpoint.key}", content=HOSTILE, headers=headers)

    hostile()
    fleet.settle()
    with httpx.Client(base_url=url, timeout=20) as client:
        ran = client.post(f"/h/{endpoint.key}").headers["x-request-id"]
    fleet.settle()
    assert fleet.world.one("SELECT key FROM run WHERE id = %s", endpoint.run(ran)) == ran

    fleet.servers.postgres.stop()

    def refused(_: int) -> str:
        with httpx.Client(base_url=url, timeout=30) as client:
            headers = {"authorization": f"Bearer {key}", "x-request-id": SECRET}
            answer = client.post("/v1/sources", headers=headers, json={"component_code": HOSTILE})
            assert answer.status_code == 503, answer.text
            return answer.headers["x-request-id"]

    with ThreadPoolExecutor(8) as callers:
        ids = list(callers.map(refused, range(8)))
    fleet.servers.start()
    fleet.world.close()

    said = [line for line in lines(web.log) if line["event"] == "the database did not answer"]
    for request_id in ids:
        assert [line["request_id"] for line in said].count(request_id) == 1
    assert len({line["request_id"] for line in said}) == len(said)
    until(lambda: "a step of the runner failed" in worker.log)
    for process in (worker, scheduler, web):
        process.signal(signal.SIGTERM)
    for process in (worker, scheduler, web):
        process.wait()
    assert {line.get("process") for line in lines(worker.log)} == {"worker7"}
    lines(scheduler.log)
    assert {"_granian", "apps.api.errors"} <= {line["logger"] for line in lines(web.log)}
    for process in (worker, scheduler, web):
        assert SECRET not in process.log
        assert key not in process.log
