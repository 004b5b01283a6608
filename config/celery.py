"""The Celery application: messages carry ids and are hints, never the truth (design section 1).

Queues: `tick` (beat's one static tick, consumed by the scheduler) and `runs` (hints for runners).
"""

from __future__ import annotations

import os

from celery import Celery
from kombu import Exchange, Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings

from config import links

app = Celery("headwater")
app.conf.update(
    broker_url=settings.BROKER_URL,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # A broker that answers "no memory left" while it hands out a message must not end the process.
    broker_channel_error_retry=True,
    broker_transport_options={
        "visibility_timeout": 60,
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        **links.redis_options(settings.LINK_SECONDS),
        # Of a producer: a broker that is down must not hold up the tick that hints.
        "max_retries": 0,
    },
    accept_content=["json"],
    task_serializer="json",
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=4,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    # A failed publish is fine: the runner looks for itself and the sweeper sends again.
    task_publish_retry=False,
    task_default_queue="runs",
    # Each with an exchange of its own: left to defaults, both queues would get every message.
    task_queues=[Queue(name, Exchange(name), routing_key=name) for name in ("tick", "runs")],
    beat_schedule={
        "tick": {
            "task": "headwater.tick",
            "schedule": settings.TICK_SECONDS,
            "options": {"queue": "tick", "expires": 1},
        }
    },
    imports=["workers.tasks"],
)
