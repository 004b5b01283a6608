"""The other first-party components."""

from __future__ import annotations

import time

from tests.runtime.python.child import Child

REQUEST = {
    "method": "POST",
    "path": "/orders",
    "query": {"a": "1"},
    "headers": {"content-type": "application/json"},
    "body": {"b": [1, None]},
    "bodyRaw": '{"b": [1, null]}',
}


def test_every_request_is_an_event_unchanged(http_requests: Child) -> None:
    assert http_requests.loaded is not None
    assert http_requests.loaded["key"] == "http-new-requests"
    assert http_requests.loaded["props"] == [{"name": "http", "type": "$.interface.http"}]
    ran = http_requests.invoke(
        props={"http": {"endpoint": "http://x/h/1", "custom_response": False}}, event=REQUEST
    ).ok()
    assert ran.events == [REQUEST]
    assert ran.of("emit")[0].header["summary"] == "POST /orders"


def test_a_run_by_hand_passes_its_body_on(http_requests: Child) -> None:
    for event in ({}, {"method": 1}, [1], "text", None):
        assert http_requests.invoke(event=event).ok().events == [event]


def test_a_tick_carries_its_scheduled_instant(schedule: Child) -> None:
    assert schedule.loaded is not None
    assert schedule.loaded["key"] == "schedule-tick"
    tick = {"timestamp": 1600000000, "interval_seconds": 60}
    ran = schedule.invoke(event=tick).ok()
    assert ran.events == [{**tick, "time": "2020-09-13T12:26:40+00:00"}]
    assert ran.of("emit")[0].header["ts"] == 1600000000000
    cron = {"timestamp": 1600000000, "cron": "0 0 * * *", "timezone": "Europe/Berlin"}
    assert schedule.invoke(event=cron).ok().events[0]["cron"] == "0 0 * * *"


def test_a_run_by_hand_ticks_now(schedule: Child) -> None:
    before = int(time.time())
    for event in ({}, {"note": "by hand"}, "text", None):
        (tick,) = schedule.invoke(event=event).ok().events
        assert before <= tick["timestamp"] <= time.time()
