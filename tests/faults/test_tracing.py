"""One run, one trace: real processes send to a real receiver of OTLP over HTTP."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.api.live import deploy
from tests.faults.fleet import Fleet
from tests.faults.test_reporting import EMITS, SECRET
from tests.loopback import Posted, Receiver
from tests.making import until
from tests.services.delivering import webhook

AWAY = "http://127.0.0.1:1"


@dataclass
class Span:
    name: str
    trace: str
    id: str
    parent: str
    begin: int
    end: int
    service: str
    process: str
    facts: dict[str, Any]
    links: list[tuple[str, str]]


class Collector(Receiver):
    """Takes spans as an OpenTelemetry collector does; and is a webhook's receiver beside."""

    def __init__(self) -> None:
        super().__init__()
        self.spans: list[Span] = []

    def take(self, posted: Posted) -> int:
        if posted.path == "/v1/traces":
            self._keep(posted.body)
        return 200

    def _keep(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            about = {a.key: a.value.string_value for a in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    facts = {a.key: a.value.string_value for a in span.attributes}
                    self.spans.append(
                        Span(
                            span.name,
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            span.start_time_unix_nano,
                            span.end_time_unix_nano,
                            about["service.name"],
                            about.get("service.instance.id", ""),
                            facts,
                            [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
                        )
                    )

    @property
    def raw(self) -> bytes:
        """All spans that came."""
        return b"".join(posted.body for posted in self.got if posted.path == "/v1/traces")

    def of(self, trace: str) -> dict[str, Span]:
        return {span.name: span for span in self.spans if span.trace == trace}


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


def settings(collector: Collector, **more: str) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        **more,
    }


def test_one_trace_from_the_request_to_the_delivery(fleet: Fleet, collector: Collector) -> None:
    url = fleet.web(**settings(collector))
    worker = fleet.worker(**settings(collector, PROCESS="worker7"))
    worker.wait_ready()
    endpoint = deploy(fleet.world, EMITS)
    listener = fleet.world.source(fleet.world.component())
    fleet.world.subscribe(endpoint.source_id, webhook(fleet.world, f"{collector.address}/hook"))
    fleet.world.subscribe(endpoint.source_id, listener)

    answer = httpx.post(f"{url}/h/{endpoint.key}", content=SECRET, timeout=20)
    trace = endpoint.run(answer.headers["x-request-id"]).replace("-", "")
    names = {"accept", "run (http)", "wait", "execute", "commit", "fan out", "deliver"}
    until(lambda: collector.of(trace).keys() == names)
    spans = collector.of(trace)
    run = spans.pop("run (http)")
    assert (run.id, run.parent) == (trace[16:], "")
    for span in spans.values():
        assert span.parent == run.id
        assert span.end >= span.begin
    assert spans["accept"].process != "worker7"
    assert spans["deliver"].process == run.process == "worker7"
    assert {span.service for span in collector.spans} == {"headwater"}
    assert run.facts["headwater.key"] == answer.headers["x-request-id"]
    assert run.facts["headwater.state"] == "succeeded"
    assert spans["deliver"].facts["headwater.outcome"] == "delivered"
    assert spans["execute"].begin >= spans["wait"].begin
    assert spans["commit"].begin >= spans["execute"].end - 1_000_000
    assert [span.name for span in [run, *spans.values()] if span.links] == []
    # The listener's run is a trace of its own, says which event it is for, and leads back.
    until(lambda: [span for span in collector.spans if span.name == "run (event)"])
    [other] = [span for span in collector.spans if span.name == "run (event)"]
    event_id = spans["deliver"].facts["headwater.event_id"]
    assert other.facts["headwater.key"] == f"{endpoint.source_id}:{event_id}:0"
    assert other.links == [(trace, run.id)]
    until(lambda: "fan out" in collector.of(other.trace))
    assert SECRET.encode() not in collector.raw
    assert endpoint.key.encode() not in collector.raw


def test_of_a_share_each_run_is_traced_whole_or_not_at_all(
    fleet: Fleet, collector: Collector
) -> None:
    fleet.worker(**settings(collector, OTEL_TRACES_SAMPLER_ARG="0.5"))
    source = fleet.world.source(fleet.world.component())
    for _ in range(24):
        fleet.world.queue(source)
    fleet.settle()
    found = fleet.world.sql("SELECT id FROM run WHERE source_id = %s", source)
    wanted = {run.hex for [run] in found if run.int >> 64 < 1 << 63}
    assert 0 < len(wanted) < 24
    until(lambda: all(len(collector.of(trace)) == 4 for trace in wanted))
    assert {span.trace for span in collector.spans} == wanted


def test_a_collector_that_is_away_holds_up_nothing(fleet: Fleet, collector: Collector) -> None:
    worker = fleet.worker(**settings(collector) | {"OTEL_EXPORTER_OTLP_ENDPOINT": AWAY})
    worker.wait_ready()
    source = fleet.world.source(fleet.world.component())
    fleet.world.queue(source)
    fleet.settle()
    until(lambda: "opentelemetry" in worker.log)
    began = time.monotonic()
    worker.signal(signal.SIGTERM)
    worker.wait()
    assert time.monotonic() - began < 6
    assert fleet.assert_whole(source) == 1
