"""Untrusted code: child processes, their wall and their protocol.

The door is `pool.Runtime`. It imports nothing of Django, Celery or Redis and of the applications
only `apps.runs.contract`; an import contract guards this.

    pool.Runtime ── broker.Broker ── control socket ── zygote (own process, no secret in memory)
         │                                               │ fork, wall, harness
    process.Child ── frames (docs/protocol.md) ───────── child
"""
