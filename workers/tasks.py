"""Where Celery meets the loops. Tasks hand ids over and return at once; they never run components.

A process that consumes `runs` hosts a runner in a thread of its own; one that consumes `tick`
hosts the scheduler and the sweeper. Both also step by their own clock, so that a dead broker
slows down nothing but the hints.
"""

from __future__ import annotations

from typing import Any

from celery.signals import worker_ready, worker_shutting_down

from config.celery import app
from workers.hosts import RunnerHost, SchedulerHost

_runner: RunnerHost | None = None
_scheduler: SchedulerHost | None = None


@app.task(name="headwater.hint")
def hint(source_ids: list[str]) -> None:
    if _runner:
        _runner.offer(source_ids)


@app.task(name="headwater.operate")
def operate(_operation_ids: list[int]) -> None:
    if _runner:
        _runner.claim_soon()


@app.task(name="headwater.fanout")
def fan_out(emitter_ids: list[str]) -> None:
    if _runner:
        _runner.fan_out(emitter_ids)


@app.task(name="headwater.deliver")
def deliver(webhook_ids: list[str]) -> None:
    if _runner:
        _runner.deliver(webhook_ids)


@app.task(name="headwater.tick")
def tick() -> None:
    if _scheduler:
        _scheduler.tick()


@worker_ready.connect
def start(sender: Any, **_: Any) -> None:
    global _runner, _scheduler
    queues = sender.app.amqp.queues.consume_from
    if "runs" in queues:
        # Told, and no condition of health: without a broker the runner finds its work itself.
        _runner = RunnerHost(lambda: bool(sender.connection and sender.connection.connected))
        _runner.start()
    if "tick" in queues:
        _scheduler = SchedulerHost()
        _scheduler.start()


@worker_shutting_down.connect
def stop(**_: Any) -> None:
    if _scheduler:
        _scheduler.stop()
    if _runner:
        _runner.stop()
