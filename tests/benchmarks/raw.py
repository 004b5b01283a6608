"""What the parts can do alone, on this machine: the yardsticks for the platform's own figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import redis
from psycopg.conninfo import conninfo_to_dict

from stack.postgres import binary
from tests.benchmarks import noop
from tests.benchmarks.house import House, Stack, wait_for
from tests.benchmarks.report import Table, deno_path, milliseconds, number

HELD = "noop-held"
PAYLOAD = {"c": "", "p": b"x" * 200, "m": b'{"summary":"s"}'}
_FORKS = """
import os, sys, time
taken = []
for _ in range(int(sys.argv[1])):
    began = time.perf_counter()
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    taken.append(time.perf_counter() - began)
print(sorted(taken)[len(taken) // 2])
"""


def measure(house: House, scale: float) -> tuple[Table, float]:
    """The table, and the best rate at which Celery took single messages (published one by one,
    consumed meanwhile): the yardstick of the way."""
    table = Table("Raw limits", ["What", "Rate or time", "How"])
    best = 0.0
    for pool, label in ((["-c", "2"], "2 processes (prefork)"), (["-P", "solo"], "solo")):
        both, filled, published = _celery(house, pool, max(200, int(5000 * scale)))
        best = max(best, both)
        name = f"Celery no-op task, {label}"
        table.add(name, f"{number(both)}/s", "published one by one and consumed meanwhile")
        table.add(name, f"{number(filled)}/s", "consumed from a queue filled before")
        table.add("message to Celery", f"{number(published)}/s", "published one by one")
    _valkey(house, table, max(500, int(40_000 * scale)))
    _postgres(house, table, max(1, round(4 * scale)))
    _processes(table, max(3, int(20 * scale)))
    table.notes.append("Celery with its defaults, one message a task; medians of 3.")
    return table, best


# --- Celery ----------------------------------------------------------------------------------


def _celery(house: House, pool: list[str], tasks: int) -> tuple[float, float, float]:
    """Tasks a second: published and consumed at once; of a filled queue; messages published."""
    both, filled, published = [], [], []
    broker = redis.Redis.from_url(_as_redis(house))
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "tests.benchmarks.noop",
        "worker",
        "-n",
        "noop@%h",
        *pool,
    ]
    stack = Stack(house)
    try:
        stack.start("noop", [*command, "--loglevel", "INFO"])
        stack.until_ready()
        _publish(noop.QUEUE, tasks // 10)
        _until_consumed(broker)
        for _ in range(3):
            began = time.perf_counter()
            _publish(noop.QUEUE, tasks)
            _until_consumed(broker)
            both.append(tasks / (time.perf_counter() - began))
            began = time.perf_counter()
            _publish(HELD, tasks)
            published.append(tasks / (time.perf_counter() - began))
            # The filled list comes into the worker's hands in one step.
            began = time.perf_counter()
            broker.rename(HELD, noop.QUEUE)
            _until_consumed(broker)
            filled.append(tasks / (time.perf_counter() - began))
    finally:
        stack.stop()
        broker.close()
    return median(both), median(filled), median(published)


def _as_redis(house: House) -> str:
    """redis-py's form of the broker's address (kombu has its own)."""
    return house.settings()["REDIS_URL"].replace("?db=0", "?db=1")


def _publish(queue: str, count: int) -> None:
    for _ in range(count):
        noop.app.send_task("noop", queue=queue)


def _until_consumed(broker: redis.Redis) -> None:
    """Nothing in the queue and nothing in a worker's hands."""
    wait_for(
        lambda: not broker.llen(noop.QUEUE) and not broker.hlen("unacked"),
        120, "all tasks consumed", every_s=0.005,
    )  # fmt: skip


# --- Valkey, PostgreSQL, processes -----------------------------------------------------------


def _valkey(house: House, table: Table, entries: int) -> None:
    with house.redis() as client:
        one = entries // 4
        began = time.perf_counter()
        for _ in range(one):
            client.xadd("bench", PAYLOAD, maxlen=200, approximate=True)
        alone = one / (time.perf_counter() - began)
        began = time.perf_counter()
        for _ in range(entries // 500):
            pipe = client.pipeline(transaction=False)
            for _ in range(500):
                pipe.xadd("bench", PAYLOAD, maxlen=200, approximate=True)
            pipe.execute()
        piped = entries // 500 * 500 / (time.perf_counter() - began)
        client.delete("bench")
    table.add("XADD of 200 bytes", f"{number(alone)}/s", "one by one, one connection")
    table.add("XADD of 200 bytes", f"{number(piped)}/s", "pipelined by 500, one connection")


def _postgres(house: House, table: Table, seconds: int) -> None:
    with house.connect() as connection:
        connection.execute("CREATE TABLE bench (id bigserial PRIMARY KEY, payload text)")
    try:
        for clients in (1, 16):
            rate = _pgbench(house, clients, seconds)
            plural = "s" if clients > 1 else ""
            how = f"INSERT of one row, {clients} connection{plural}, pgbench"
            table.add("commits of a single row", f"{number(rate)}/s", how)
    finally:
        with house.connect() as connection:
            connection.execute("DROP TABLE bench")


def _pgbench(house: House, clients: int, seconds: int) -> float:
    facts = conninfo_to_dict(house.postgres.url)
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD"}
    given = {names[key]: str(value) for key, value in facts.items() if key in names}
    with tempfile.TemporaryDirectory() as directory:
        script = Path(directory) / "insert.sql"
        script.write_text(f"INSERT INTO bench (payload) VALUES ('{'x' * 100}');\n")
        command = [str(binary("pgbench")), "-n", "-M", "prepared", "-f", str(script)]
        command += ["-c", str(clients), "-j", "1", "-T", str(seconds), str(facts["dbname"])]
        done = subprocess.run(command, env={**os.environ, **given}, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        if line.startswith("tps = "):
            return float(line.split()[2])
    raise RuntimeError(f"pgbench: {done.stderr}")


def _processes(table: Table, times: int) -> None:
    forked = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _FORKS, str(times * 20)], capture_output=True, text=True
    )
    table.add(
        "fork of an idle Python", f"{milliseconds(json.loads(forked.stdout))} ms",
        "fork, exit, wait; median",
    )  # fmt: skip
    python = _start(lambda: [sys.executable, "-I", "-c", ""], times)
    table.add("start of a new Python", f"{milliseconds(python)} ms", "start to end; median")
    with tempfile.TemporaryDirectory() as directory:
        empty = Path(directory) / "empty.mjs"
        empty.write_text("")
        deno = _start(lambda: [deno_path(), "run", "--no-prompt", str(empty)], times)
    table.add("start of a new Deno", f"{milliseconds(deno)} ms", "an empty module; median")


def _start(command: Callable[[], list[str]], times: int) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run(command(), check=True, capture_output=True)
        taken.append(time.perf_counter() - began)
    return median(taken)
