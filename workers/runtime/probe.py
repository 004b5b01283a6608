"""Tries the wall once, before any component meets it: each part must do what it is there for."""

from __future__ import annotations

import json
import mmap
import os
import resource
import select
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from workers.runtime import landlock
from workers.runtime.findings import Finding
from workers.runtime.identity import WallError, who
from workers.runtime.notification import Notification, target
from workers.runtime.sandbox import Wall

_WAIT_MS: Final = 10_000
_PORT: Final = 9
_OUTSIDE: Final = "/etc/passwd"
_MEMORY, _SCRATCH = 1 << 28, 1 << 20
_CONNECT: Final = "connect supervisor"


def probe(wall: Wall) -> list[Finding]:
    """What holds, part by part. Raises WallError naming the first thing that does not."""
    found = [_landlock(), *_tried(wall), Finding("identity", True, who())]
    for part, holds, told in found:
        if not holds:
            raise WallError(f"{part}: {told}")
    return found


def _landlock() -> Finding:
    version = landlock.abi()
    told = "files" + (", TCP" if version >= 4 else "")
    told += ", signals and abstract sockets" if version >= 6 else "; seccomp refuses signals"
    return Finding("Landlock", version >= 1, f"version {version} of its interface: {told}")


def _tried(wall: Wall) -> list[Finding]:
    """What a child finds that was put behind the wall."""
    run_dir = wall.run_dir("probe")
    link, child_link = socket.socketpair()
    read, write = os.pipe()
    given = [write, *(os.open(os.devnull, os.O_RDWR) for _ in range(2))]
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            limits = {"memory": _MEMORY, "scratch": _SCRATCH}
            message = {"op": "spawn", "language": "python", "reads": [], **limits}
            wall.enter(message, run_dir, given, child_link.detach())
            os.write(3, json.dumps([*_attack(), _connect()]).encode())
            status = 0
        finally:
            os._exit(status)
    child_link.close()
    for fd in given:
        os.close(fd)
    try:
        with link:
            _stand_in_for_supervisor(link)
        with open(read, closefd=False) as pipe:
            told = pipe.read()
        _, status = os.waitpid(pid, 0)
        pid = 0
    finally:
        os.close(read)
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    for path in (Path(run_dir, "tmp"), Path(run_dir, "code"), Path(run_dir)):
        path.rmdir()
    if code := os.waitstatus_to_exitcode(status):
        raise WallError(f"the probe ended with {code}")
    return [Finding(*finding) for finding in json.loads(told)]


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


# ---------------------------------------------------------------- in the child


def _attack() -> list[Finding]:
    def open_files() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20))

    return [
        _refused("reading", _OUTSIDE, lambda: Path(_OUTSIDE).open().close()),
        _refused("writing", "a file beside its directory", lambda: _write("../../outside", 0)),
        _refused("processes", "a fork", _fork),
        _refused("signals", "a signal to its parent", lambda: os.kill(os.getppid(), 0)),
        _refused("UNIX sockets", "opening one", lambda: socket.socket(socket.AF_UNIX).close()),
        _refused("UDP", "opening a socket", lambda: socket.socket(type=socket.SOCK_DGRAM).close()),
        _refused("serving", "listening at a port", lambda: socket.socket().listen()),
        _refused("file size", f"{2 * _SCRATCH} bytes", lambda: _write("big", 2 * _SCRATCH)),
        _refused("address space", "1 GiB more than it may", lambda: mmap.mmap(-1, _MEMORY * 6)),
        _refused("limits", "raising one", open_files),
    ]


def _refused(part: str, what: str, attempt: Callable[[], object]) -> Finding:
    try:
        attempt()
    except OSError as error:
        return Finding(part, True, f"{what}: {error.strerror}")
    except ValueError as error:  # a limit's way of saying so
        return Finding(part, True, f"{what}: {error}")
    return Finding(part, False, f"{what} is not refused")


def _connect() -> Finding:
    with socket.socket() as connection:
        connection.connect(("127.0.0.1", _PORT))
        holds = connection.recv(1) == b"!"
    said = "its connection was made for it" if holds else "its connection is another than was made"
    return Finding(_CONNECT, holds, said)


def _write(path: str, size: int) -> None:
    with Path(path).open("wb") as file:
        try:
            file.truncate(size)
        finally:
            Path(path).unlink()


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)
