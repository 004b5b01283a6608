"""Tries the wall once, before any component meets it: each part must do what it is there for."""

from __future__ import annotations

import os
import select
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from workers.runtime.identity import WallError
from workers.runtime.notification import Notification, target
from workers.runtime.sandbox import Wall

_WAIT_MS: Final = 10_000
_PORT: Final = 9
_OUTSIDE: Final = "/etc/passwd"
_MEANING: Final = {
    2: f"Landlock does not hide {_OUTSIDE}",
    3: "Landlock does not keep a child from writing outside its directory",
    4: "seccomp does not keep a child from starting processes",
    5: "seccomp does not keep a child from opening UNIX sockets",
    6: "a connection made by the supervisor does not reach the child",
}


def probe(wall: Wall, scratch: int = 1 << 20, memory: int = 1 << 28) -> None:
    """Raises WallError naming the first thing that does not hold."""
    run_dir = wall.run_dir("probe")
    link, child_link = socket.socketpair()
    stand_ins = [os.open(os.devnull, os.O_RDWR) for _ in range(3)]
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            limits = {"memory": memory, "scratch": scratch}
            message = {"op": "spawn", "language": "python", "reads": [], **limits}
            wall.enter(message, run_dir, stand_ins, child_link.detach())
            status = _attack()
        finally:
            os._exit(status)
    child_link.close()
    for fd in stand_ins:
        os.close(fd)
    try:
        with link:
            _stand_in_for_supervisor(link)
        _, status = os.waitpid(pid, 0)
        pid = 0
    finally:
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    for path in (Path(run_dir, "tmp"), Path(run_dir, "code"), Path(run_dir)):
        path.rmdir()
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        raise WallError(_MEANING.get(code, f"the probe ended with {code}"))


def _stand_in_for_supervisor(link: socket.socket) -> None:
    """Takes the listener, and answers the one connect with a socket of its own."""
    link.settimeout(_WAIT_MS / 1000)
    data, fds, _, _ = socket.recv_fds(link, 4096, 1)
    if data != b"ok":
        raise WallError(f"a child cannot enter the wall: {data.decode(errors='replace')}")
    listener = fds[0]
    try:
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        events: Any = poll.poll(_WAIT_MS)
        if not events or not events[0][1] & select.POLLIN:
            return  # the child ended before: its status says why
        call = Notification(listener)
        try:
            _, host, port, _ = target(call.sockaddr())
            call.flags()
        except OSError as error:
            raise WallError(f"the supervisor cannot look into a child: {error}") from None
        if (host, port) != ("127.0.0.1", _PORT):
            raise WallError("the supervisor reads another address than the child gave")
        ours, theirs = socket.socketpair()
        with ours, theirs:
            call.inject(theirs.fileno(), close_on_exec=True)
            ours.send(b"!")
        call.answer()
    except OSError as error:
        raise WallError(f"the supervisor cannot put a socket into a child: {error}") from None
    finally:
        os.close(listener)


def _attack() -> int:
    """In the child: the number of the first thing that does not hold, or 0."""
    if _works(lambda: Path(_OUTSIDE).open().close()):
        return 2
    if _works(lambda: Path("../../outside").open("w").close()):
        return 3
    if _works(_fork):
        return 4
    if _works(lambda: socket.socket(socket.AF_UNIX).close()):
        return 5
    with socket.socket() as connection:
        connection.connect(("127.0.0.1", _PORT))
        return 0 if connection.recv(1) == b"!" else 6


def _works(attempt: Any) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)
