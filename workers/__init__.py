"""The background processes, in the order of an event's way.

    1 tick     scheduler.py   due timers → Runs in mailboxes            (one set-based transaction)
    2 run      runner.py      leases → drain.py → runtime/ executes each Run in a child process
    3 commit   committer.py   apps/runs/commit.py for many sources, then XADD, then let go
    4 fan out  fanout.py      events → Runs of listeners, Deliveries    (one at a time per emitter)
    5 deliver  delivery.py    due Deliveries → POST to webhooks, retries    (a share per receiver)
    * sweep    sweeper.py     re-drives what was left behind, rolls usage up, keeps tables small

`tasks.py` is where Celery meets them: tasks hand ids over and return at once.
"""
