"""Traces of the way to OpenTelemetry, where `OTEL_EXPORTER_OTLP_ENDPOINT` is set.

One trace for each run: its id is the run's, so that nothing has to travel with rows or messages,
and whoever knows a run knows its trace. The first span is the run itself, from its cause to its
commit; those of the request, the fan-out and the deliveries name it as their parent from whatever
process they come, since its id follows from the run's too. A run that an event caused has a link to
the first span of the run that emitted it. Spans are made of times that are known anyway, when a
step is over.

The libraries are optional and are imported here alone, when they are asked for.
"""

from __future__ import annotations

import atexit
import threading
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext, Tracer

MISSING = (
    "OTEL_EXPORTER_OTLP_ENDPOINT is set, and opentelemetry is not there:"
    " install requirements-observe.txt"
)
END_SECONDS: Final = 1.0
_HALF: Final = 1 << 64

_tracer: Tracer | None = None
_whole: Callable[[uuid.UUID], SpanContext]
# The ids of the span that this thread is making; without them it gets one by chance.
_named = threading.local()


def start() -> None:
    """Once in a process, after the settings are read. Raises ImproperlyConfigured."""
    global _tracer, _whole
    if not settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        return
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON
    except ImportError:
        raise ImproperlyConfigured(MISSING) from None

    class Ids(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            named: uuid.UUID | None = getattr(_named, "run", None)
            return super().generate_trace_id() if named is None else named.int

        def generate_span_id(self) -> int:
            named: uuid.UUID | None = getattr(_named, "run", None)
            return super().generate_span_id() if named is None else first_span(named)

    def context(run: uuid.UUID) -> SpanContext:
        flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
        return trace.SpanContext(run.int, first_span(run), is_remote=True, trace_flags=flags)

    who = {"service.name": settings.OTEL_SERVICE_NAME}
    if settings.PROCESS:
        who["service.instance.id"] = settings.PROCESS
    provider = TracerProvider(
        sampler=ALWAYS_ON, resource=Resource.create(who), id_generator=Ids(), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _end_with_the_process(provider.shutdown)
    _tracer, _whole = provider.get_tracer("headwater"), context


def _end_with_the_process(shutdown: Callable[[], None]) -> None:
    """Send what is left, and wait a moment for it: a collector that is away holds up no stop."""
    ending = threading.Event()

    def last() -> None:
        ending.wait()
        shutdown()

    # Begun now: at the end of a process none can be.
    thread = threading.Thread(target=last, name="traces", daemon=True)
    thread.start()

    def end() -> None:
        ending.set()
        thread.join(END_SECONDS)

    atexit.register(end)


def first_span(run: uuid.UUID) -> int:
    return run.int % _HALF


def wanted(run: uuid.UUID) -> bool:
    """Whether this run is traced: all that belongs to it, in all processes, or nothing."""
    return _tracer is not None and (run.int >> 64) < settings.OTEL_TRACES_SAMPLER_ARG * _HALF


def now_ms() -> float:
    return time.time() * 1000


def whole(
    run: uuid.UUID,
    name: str,
    begin_ms: float,
    end_ms: float,
    failed: bool,
    after: uuid.UUID | None = None,
    **facts: Any,
) -> None:
    """The span that all others of this run are parts of. Only of a run that is `wanted`. `after`:
    the run that emitted the event which caused it; a link leads there when that one is traced."""
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, StatusCode

    assert _tracer is not None
    links = [Link(_whole(after))] if after is not None and wanted(after) else []
    _named.run = run
    try:
        span = _tracer.start_span(
            name, Context(), links=links, start_time=_ns(begin_ms), attributes=_attributes(facts)
        )
    finally:
        _named.run = None
    if failed:
        span.set_status(StatusCode.ERROR)
    span.end(_ns(max(begin_ms, end_ms)))


def part(run: uuid.UUID, name: str, begin_ms: float, end_ms: float, **facts: Any) -> None:
    """One step. Clocks of two hosts differ: what would end before it begins takes no time."""
    from opentelemetry.trace import NonRecordingSpan, set_span_in_context

    assert _tracer is not None
    parent = set_span_in_context(NonRecordingSpan(_whole(run)))
    span = _tracer.start_span(name, parent, start_time=_ns(begin_ms), attributes=_attributes(facts))
    span.end(_ns(max(begin_ms, end_ms)))


def _ns(ms: float) -> int:
    return int(ms * 1_000_000)


def _attributes(facts: dict[str, Any]) -> dict[str, Any]:
    return {f"headwater.{name}": value for name, value in facts.items() if value is not None}
