"""The threads that the loops live in, inside a Celery worker process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable

from celery.beat import EmbeddedService
from django.conf import settings
from django.db import DatabaseError, close_old_connections

from apps.core.measures import SWEEPS, SWEPT, TICK_SECONDS, TIMERS_FIRED
from config.celery import app
from workers import packages, scheduler, sweeper
from workers.loop import Loop
from workers.pulse import SWEEP, TICK, notify, scheduler_pulse
from workers.runner import Runner
from workers.runtime.broker import BrokerError
from workers.runtime.pool import Runtime
from workers.settings import runner_settings, runtime_settings

logger = logging.getLogger(__name__)

GRACE_SECONDS = 8.0
DAILY_SECONDS = 3600.0


class RunnerHost:
    """A runner on an event loop in its own thread. `offer` never blocks."""

    def __init__(self, connected: Callable[[], bool]) -> None:
        """`connected`: whether hints can come, now."""
        self._runner = Runner(runner_settings(), Runtime(runtime_settings()))
        self._runner.pulse.tell("broker", connected)
        self._thread = threading.Thread(target=self._main, name="runner", daemon=True)
        self._stop = threading.Event()
        self._stopped = threading.Event()

    def start(self) -> None:
        self._thread.start()

    def offer(self, source_ids: Iterable[str]) -> None:
        self._runner.offer_threadsafe(source_ids)

    def claim_soon(self) -> None:
        self._runner.claim_soon()

    def fan_out(self, emitter_ids: Iterable[str]) -> None:
        self._runner.fan_out_threadsafe(emitter_ids)

    def deliver(self, webhook_ids: Iterable[str]) -> None:
        self._runner.deliver_threadsafe(webhook_ids)

    def stop(self) -> None:
        """Finish or release (G7); returns when the runner has stopped."""
        self._stop.set()
        self._thread.join(GRACE_SECONDS + 5)

    def _main(self) -> None:
        try:
            with asyncio.Runner(loop_factory=Loop) as loop:
                loop.run(self._serve())
        except BrokerError as error:
            logger.critical(
                "this worker refuses to start: the wall around component code cannot be put up:"
                " %s (SANDBOX=unsafe runs components without it)",
                error,
            )
            logging.shutdown()
            os._exit(os.EX_UNAVAILABLE)  # nothing has begun that could be finished
        except BaseException:
            # Without its runner the process would be alive and deaf: whoever watches it restarts.
            logger.critical("the runner has ended, and with it this process", exc_info=True)
            os.kill(os.getpid(), signal.SIGTERM)

    async def _serve(self) -> None:
        await self._runner.start()
        notify("READY=1")
        if wall := self._runner.runtime.wall:
            told = "; ".join(f"{part}: {told}" for part, _, told in wall)
            logger.info("sandbox.on: %s", told)
        pruning = asyncio.create_task(packages.keep_pruning(DAILY_SECONDS))
        await asyncio.to_thread(self._stop.wait)
        pruning.cancel()
        await self._runner.stop(GRACE_SECONDS)


class SchedulerHost:
    """Ticks when beat's message comes, and by its own clock when none came for two periods.

    Beat is a thread here: a process of its own would cost 50 MB to send one message.
    """

    def __init__(self) -> None:
        # Not the default class, which keeps a file: one static tick has nothing to remember.
        self._beat = EmbeddedService(app, thread=True, scheduler_cls="celery.beat:Scheduler")
        self._lock = threading.Lock()
        self._pulse = scheduler_pulse()
        self._ticked_at = 0.0
        self._stop = threading.Event()
        self._clock = threading.Thread(target=self._own_clock, name="tick", daemon=True)
        self._sweep = threading.Thread(target=self._sweep_loop, name="sweep", daemon=True)

    def start(self) -> None:
        notify("READY=1")
        self._beat.start()
        self._clock.start()
        self._sweep.start()

    def stop(self) -> None:
        self._stop.set()
        self._beat.stop()
        self._clock.join(5)
        self._sweep.join(5)

    def tick(self) -> None:
        """One step, unless one is under way: it will see what is due now."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            close_old_connections()
            with TICK_SECONDS.time():
                TIMERS_FIRED.inc(scheduler.step())
            self._ticked_at = time.monotonic()
            self._pulse.turned(TICK)
            self._pulse.beat_now()
        except DatabaseError as error:
            self._pulse.failed(TICK)
            logger.warning("tick failed: %s", error)
        except Exception:
            self._pulse.failed(TICK)
            logger.exception("tick failed")
        finally:
            if self._stop.is_set():
                # `stop` came in the midst of this tick, whose sign of life is not the last word.
                self._pulse.end_now()
            close_old_connections()
            self._lock.release()

    def _own_clock(self) -> None:
        period = settings.TICK_SECONDS
        while not self._stop.wait(period):
            if time.monotonic() - self._ticked_at > 2 * period:
                self.tick()
        # Not by `stop`, which interrupts whatever the main thread does, maybe a tick's statement.
        self._pulse.end_now()

    def _sweep_loop(self) -> None:
        daily_at = 0.0
        while not self._stop.is_set():
            try:
                close_old_connections()
                if time.monotonic() >= daily_at:
                    sweeper.daily()
                    daily_at = time.monotonic() + DAILY_SECONDS
                SWEPT.inc(sweeper.step())
                SWEEPS.inc()
                self._pulse.turned(SWEEP)
            except DatabaseError as error:
                self._pulse.failed(SWEEP)
                logger.warning("sweep failed: %s", error)
            except Exception:
                self._pulse.failed(SWEEP)
                logger.exception("sweep failed")
            finally:
                close_old_connections()
            self._stop.wait(settings.SWEEP_SECONDS)
