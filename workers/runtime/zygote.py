"""The process that children are forked from: lean, without secrets, without Django.

Started as `python -I zygote.py <project root> <control descriptor>` with an empty environment.
It imports what components need once, freezes it, and then serves one loop: forks children behind
the wall, answers their connects (`dialling.Supervisor`), reaps them, and ends with all of them when
the worker's end of the control socket closes (design F5). Single-threaded: a fork copies no lock
that another thread holds, and PR_SET_PDEATHSIG follows the forking thread.

Control messages are JSON, one a packet:
  to it     spawn {id, dir, language, memory, scratch, reads}    kill {pid}    look {pids}
            tool {id, dir, language, memory, scratch, reads, network, argv, env}
  from it   ready {anon, wall} or refused {error}; spawned {id, pid, dir} with the descriptors
            protocol (one, or read and write; none for a tool), stdout, stderr; failed {id, error};
            exit {pid, status}; held {bytes: {pid: of files that it removed and holds open}}

A tool is Deno, or pip in this very process, with other arguments than a component's: it reads code
or unpacks packages and runs neither. `network`: null for none, else the one address and
port that it may dial. `reads`: directories that it sees besides its own.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent
sys.path.insert(0, sys.argv[1])
from workers.runtime import identity  # noqa: E402
from workers.runtime.dialling import Supervisor  # noqa: E402
from workers.runtime.disk import held_bytes  # noqa: E402
from workers.runtime.egress import Only, Policy, name_servers  # noqa: E402
from workers.runtime.names import Routes  # noqa: E402
from workers.runtime.probe import probe  # noqa: E402
from workers.runtime.sandbox import Wall  # noqa: E402

sys.path.remove(sys.argv[1])
sys.path.append(str(_HERE / "python"))


@dataclass(slots=True)
class Birth:
    """A child that was forked and has not yet said that its wall stands."""

    number: int
    pid: int
    run_dir: str
    fds: list[int]
    link: socket.socket
    policy: Policy


class Zygote:
    """The loop. Every descriptor it watches maps to what is to be done when it is readable."""

    def __init__(self, control: socket.socket, config: dict[str, Any]) -> None:
        self.control = control
        self.wall = Wall(config)
        self.poll = select.epoll()
        self.handlers: dict[int, Callable[[int], None]] = {}
        self.fresh: set[int] = set()
        resolvers, server = name_servers(), config["name_server"]
        self.policy = Policy(config["egress_allow"], resolvers, config["egress_deny"])
        self.routes = Routes(config["egress_resolve"], resolvers, server and tuple(server))
        self.supervisors: dict[int, Supervisor] = {}
        self.pidfds: dict[int, int] = {}
        self.births: dict[int, Birth] = {}
        self.watch(control.fileno(), self.on_control)

    def watch(self, fd: int, handler: Callable[[int], None], events: int = select.EPOLLIN) -> None:
        self.handlers[fd] = handler
        self.fresh.add(fd)
        self.poll.register(fd, events)

    def unwatch(self, fd: int) -> None:
        """Also for descriptors that are not watched."""
        if self.handlers.pop(fd, None) is not None:
            self.poll.unregister(fd)

    def serve(self) -> None:
        """An event may be of a descriptor that was closed, and its number given out again, since.

        So descriptors watched since the poll are passed over: what is true of them comes again.
        """
        while True:
            batch = self.poll.poll()
            self.fresh.clear()
            for fd, events in batch:
                handler = self.handlers.get(fd)
                if handler is not None and fd not in self.fresh:
                    handler(events)

    def say(self, message: dict[str, Any], fds: list[int] | None = None) -> None:
        try:
            socket.send_fds(self.control, [json.dumps(message).encode()], fds or [])
        except OSError:
            self.end()

    def on_control(self, events: int) -> None:
        try:
            data = self.control.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.end()
        message = json.loads(data)
        if message["op"] in ("spawn", "tool"):
            try:
                self.spawn(message)
            except OSError as error:
                self.say({"ev": "failed", "id": message["id"], "error": str(error)})
        elif message["op"] == "look":
            held = {pid: held_bytes(pid) for pid in message["pids"] if pid in self.pidfds}
            self.say({"ev": "held", "bytes": held})
        else:
            self.kill(message["pid"])

    def kill(self, pid: int) -> None:
        """Only pids of children that were not reaped yet are ever signalled."""
        if pid in self.pidfds:
            for send in (os.kill, os.killpg):
                with suppress(ProcessLookupError, PermissionError):
                    send(pid, signal.SIGKILL)

    def end(self) -> None:
        """Kills every descendant until none is left, then ends this process."""
        while True:
            for pid in identity.children_of_self():
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                os._exit(0)

    # ---------------------------------------------------------------- birth

    def spawn(self, message: dict[str, Any]) -> None:
        tool, python = message["op"] == "tool", message["language"] == "python"
        run_dir = self.wall.run_dir(message["dir"])
        own: list[int] = []
        given: list[int] = []
        if tool:
            pass
        elif python:
            ours, theirs = (end.detach() for end in socket.socketpair())
            own, given = [ours], [theirs]
        else:
            (down, ours), (back, up) = os.pipe(), os.pipe()
            own, given = [back, ours], [down, up]
        for _ in range(2):
            ours, theirs = os.pipe()
            own.append(ours)
            given.append(theirs)
        link, child_link = socket.socketpair()
        link.setblocking(False)
        pid = os.fork()
        if pid == 0:
            self.be_child(message, run_dir, given, child_link.detach())
        for fd in given:
            os.close(fd)
        child_link.close()
        pidfd = os.pidfd_open(pid)
        self.pidfds[pid] = pidfd
        policy = self.policy
        if tool:
            policy = Only(message["network"])
        self.births[pid] = Birth(message["id"], pid, run_dir, own, link, policy)
        self.watch(pidfd, lambda _: self.on_exit(pid))
        self.watch(link.fileno(), lambda _: self.on_link(pid))

    def be_child(self, message: dict[str, Any], run_dir: str, given: list[int], link: int) -> None:
        """In the child: never returns."""
        status = 70
        try:
            self.wall.enter(message, run_dir, given, link)
            if message["op"] == "tool":
                status = self.be_tool(message, run_dir)
            elif message["language"] == "python":
                gc.enable()
                sys.modules["harness"].serve(3)
                status = 0
            else:
                self.wall.exec_deno(run_dir, message["memory"], message["reads"])
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)

    def be_tool(self, message: dict[str, Any], run_dir: str) -> int:
        """pip's status; Deno takes the process over."""
        if message["language"] == "javascript":
            self.wall.exec_tool(run_dir, message["argv"], message["env"])
        gc.enable()
        os.chdir(Path(run_dir, "code"))
        os.environ.update(message["env"])
        sys.argv[:] = ["pip", *message["argv"]]
        try:
            runpy.run_module("pip", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 1
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
        return 0

    def on_link(self, pid: int) -> None:
        """The child's wall stands (its connect listener comes along), or says what failed."""
        birth = self.births[pid]
        try:
            data, fds, _, _ = socket.recv_fds(birth.link, 4096, 1)
        except BlockingIOError:
            if pid in self.pidfds:
                return
            data, fds = b"", []
        except OSError:
            data, fds = b"", []
        self.end_birth(birth)
        if data != b"ok":
            self.fail(birth, data.decode(errors="replace") or "the child died at birth")
            self.kill(pid)
            return
        if fds:
            supervisor = Supervisor(fds[0], birth.policy, self.routes, self)
            self.supervisors[pid] = supervisor
        self.say({"ev": "spawned", "id": birth.number, "pid": pid, "dir": birth.run_dir}, birth.fds)
        for fd in birth.fds:
            os.close(fd)

    def end_birth(self, birth: Birth) -> None:
        del self.births[birth.pid]
        self.unwatch(birth.link.fileno())
        birth.link.close()

    def fail(self, birth: Birth, error: str) -> None:
        for fd in birth.fds:
            os.close(fd)
        self.say({"ev": "failed", "id": birth.number, "error": error})

    def on_exit(self, pid: int) -> None:
        """Reaps; what it left in its process group goes with it."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        reaped, status = os.waitpid(pid, os.WNOHANG)
        if reaped == 0:
            return
        pidfd = self.pidfds.pop(pid)
        self.unwatch(pidfd)
        os.close(pidfd)
        if pid in self.births:
            self.on_link(pid)
        supervisor = self.supervisors.pop(pid, None)
        if supervisor is not None:
            supervisor.close()
        self.say({"ev": "exit", "pid": pid, "status": status})


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[2]))
    os.set_inheritable(control.fileno(), False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    config = json.loads(control.recv(65536))
    try:
        identity.prepare_zygote(config)
        importlib.import_module("harness").preload()
        zygote = Zygote(control, config)
        found = probe(zygote.wall) if config["sandbox"] == "on" else []
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        control.send(json.dumps({"ev": "refused", "error": text}).encode())
        os._exit(1)
    gc.collect()
    gc.freeze()
    gc.disable()
    zygote.say({"ev": "ready", "anon": identity.anonymous_bytes("self"), "wall": found})
    zygote.serve()


if __name__ == "__main__":
    main()
