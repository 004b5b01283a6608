"""Who an embedded server runs as, and how a program is started so that it never outlives us.

PostgreSQL refuses to run as root and looks its user up in the password file. As root, the server
therefore runs in a user namespace in which the same user is called `nobody`: files keep their
owner and modes, and no directory is opened for anyone (decision 0002).
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

from stack.errors import StackError

LAUNCHER = Path(__file__).with_name("launch.py")
SAME = "same"


def launch(
    command: list[str],
    *,
    identity: str = SAME,
    death_signal: signal.Signals = signal.SIGTERM,
) -> list[str]:
    """The argument list that starts `command` bound to the life of the calling process.

    It must be started by the calling process's main thread: the kernel watches that thread.
    """
    python = [sys.executable, "-I", "-S", str(LAUNCHER)]
    return [*python, str(os.getpid()), str(int(death_signal)), identity, *command]


def works(identity: str, command: list[str]) -> bool:
    """Whether `command` can be started, and succeeds, under this identity."""
    done = subprocess.run(
        launch(command, identity=identity), stdin=subprocess.DEVNULL, capture_output=True
    )
    return done.returncode == 0


@cache
def for_postgres(binary: Path) -> str:
    """The identity under which PostgreSQL agrees to run; StackError when there is none."""
    uid = os.geteuid()
    if uid != 0 and _has_name(uid):
        return SAME
    other = _unprivileged()
    for kind in ("userns", "drop") if uid == 0 else ("userns",):
        identity = f"{kind}:{other.pw_uid}:{other.pw_gid}"
        if works(identity, [str(binary), "--version"]):
            return identity
    if uid == 0:
        raise StackError(
            "PostgreSQL refuses to run as root, user namespaces are denied here and"
            f" {other.pw_name} cannot reach {binary}: start as an ordinary user or set DATABASE_URL"
        )
    raise StackError(
        f"user id {uid} has no name in the password file, which PostgreSQL needs, and user"
        " namespaces are denied here: start as a named user, or set DATABASE_URL"
    )


def give(identity: str, *paths: Path) -> None:
    """Hand the paths to the user of a `drop` identity; for the others they are already right."""
    kind, *ids = identity.split(":")
    if kind == "drop":
        for path in paths:
            os.chown(path, int(ids[0]), int(ids[1]))


def open_way(identity: str, data: Path) -> None:
    """Let a dropped user walk through the data directory, which stays unreadable to him; every
    directory above must let him already: StackError names the one that does not."""
    if not identity.startswith("drop:"):
        return
    data.chmod(0o711)
    for directory in reversed(data.parents):
        if not directory.stat().st_mode & 0o001:
            raise StackError(
                f"PostgreSQL refuses to run as root and an unprivileged user cannot enter"
                f" {directory}: set HEADWATER_DATA to a directory that every user can reach, or"
                " set DATABASE_URL"
            )


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _unprivileged() -> pwd.struct_passwd:
    """`nobody`, else any user but root: the password file must hold it, initdb looks it up."""
    users = [user for user in pwd.getpwall() if user.pw_uid != 0]
    named = [user for user in users if user.pw_name == "nobody"]
    for user in named or users:
        return user
    raise StackError(
        "PostgreSQL needs a user other than root in the password file; set DATABASE_URL"
    )
