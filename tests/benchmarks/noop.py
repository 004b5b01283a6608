"""A Celery application with one task that does nothing: Celery's own limit, by its defaults.

The address of the broker comes from the environment of the benchmark; it names the project by
nothing else.
"""

from __future__ import annotations

import os

from celery import Celery

QUEUE = "noop"
app = Celery("noop", broker=os.environ["BROKER_URL"])
app.conf.update(
    task_ignore_result=True, task_default_queue=QUEUE, broker_connection_retry_on_startup=True
)


@app.task(name="noop")
def noop() -> None:
    return None
