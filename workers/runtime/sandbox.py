"""The wall around a child: who it is, what it sees, what it may ask of the kernel.

`docs/decisions/0010-hand-written-wall.md` says why it is written here. The parts, in the order in
which a child enters them: own session, death with its parent, no new privileges, Landlock, closed
descriptors, limits, seccomp. The zygote itself has given up root before (`identity.py`).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import resource
import signal
import site
import socket
import struct
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any, Final

from workers.runtime import landlock, seccomp
from workers.runtime.egress import untouched
from workers.runtime.identity import PR_SET_PDEATHSIG, WallError, prctl
from workers.runtime.javascript.cache import seed
from workers.runtime.javascript.flags import DENIED_NETWORKS, command
from workers.runtime.landlock import EXECUTE, MAKE_SYM, READ, USE, WRITE_FILE, Rules, call
from workers.runtime.notification import NOTIFICATION_SIZES

_HERE: Final = Path(__file__).resolve().parent
_SECCOMP: Final = 317
_SECCOMP_FILTER, _SECCOMP_SIZES = 1, 3
_NEW_LISTENER, _WAIT_KILLABLE = 1 << 3, 1 << 5

_NO_CACHE: Final = "/dev/null/deno"
"""Deno starts faster without its databases of compiled code than with empty ones."""
_LINK: Final = 9
_MAX_FILES: Final = 256
_CPU_S: Final = 7200
_ADDRESS_SLACK: Final = 256 * 1024 * 1024
_DATA_SLACK: Final = 768 * 1024 * 1024
"""Of which Deno maps 560 MB when it starts, most of it never touched."""

_SYSTEM: Final = (
    "/usr/lib", "/usr/lib64", "/usr/lib32", "/usr/libx32", "/usr/share", "/usr/local/lib",
    "/usr/local/share", "/lib", "/lib64", "/etc/ssl", "/etc/pki", "/etc/ca-certificates",
    "/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf",
    "/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types", "/dev/urandom", "/dev/random",
    "/dev/zero", "/dev/null",
)  # fmt: skip


def arrange_descriptors(given: list[int], link: int) -> int:
    """0 null, 1 and 2 output, 3 (and 4) the protocol, then the link to the zygote; none else.

    `given` is protocol descriptors, standard output, standard error. Returns the link's number.
    """
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 64) for fd in (*given[-2:], *given[:-2], link)]
    for number, fd in enumerate(high[:-1], start=1):
        os.dup2(fd, number)
    os.dup2(high[-1], _LINK, inheritable=False)
    os.closerange(len(given) + 1, _LINK)
    os.closerange(_LINK + 1, 2**31 - 1)
    return _LINK


def report(link: int, text: str, listener: int | None = None) -> None:
    """Tells the zygote that the wall stands, or why it does not."""
    with socket.socket(fileno=link) as end:
        try:
            socket.send_fds(end, [text.encode()], [] if listener is None else [listener])
        except OSError:
            return


class Wall:
    """What the zygote prepares once and each child enters."""

    def __init__(self, config: dict[str, Any]) -> None:
        run_dir, deno, on = Path(config["run_dir"]), config["deno"], config["sandbox"] == "on"
        allow = tuple(config["egress_allow"])
        self._deno = deno
        self._run_dir = run_dir
        self._template = Path(config["deno_template"])
        self._permissions = config["deno_permissions"]
        self._on = on
        self._denied_networks = untouched(DENIED_NETWORKS, allow)
        self._zygote = os.getpid()
        if not os.access(deno, os.X_OK, effective_ids=True):
            raise WallError(f"uid {os.getuid()} cannot execute {deno}")
        if on:
            version = _required()
            self._rules = self._common_rules(version)
            if config["authorities"]:
                self._rules.allow(config["authorities"], READ)
            truncate = version >= 3
            self._python = seccomp.assemble(may_exec=False, may_truncate=truncate)
            self._javascript = seccomp.assemble(may_exec=True, may_truncate=truncate)
            self._tool = seccomp.assemble(may_exec=True, may_truncate=truncate, may_set_modes=True)

    def run_dir(self, name: str) -> str:
        """The private directory of that name, with `tmp` and `code` in it; made when missing.

        Directories are used again: making and removing three of them for each child cost more
        than the fork on ext4, which looks long for an inode that was not freed just now.
        """
        path = self._run_dir / name
        if not path.is_dir():
            for directory in (path, path / "tmp", path / "code"):
                directory.mkdir(0o700)
        return str(path)

    def enter(self, message: dict[str, Any], run_dir: str, given: list[int], link: int) -> None:
        """Puts the calling process behind the wall and tells the zygote so, over `link`.

        The listener of its connects goes along. Raises what went wrong, after reporting it.
        """
        tool = message["op"] == "tool"
        try:
            if not tool:
                self._furnish(message, run_dir)
            size = _address_space()
            self._leave_family(run_dir)
            if self._on:
                own = dict.fromkeys(message["reads"], READ)
                self._rules.restrict({**own, run_dir: USE | MAKE_SYM if tool else USE})
            link = arrange_descriptors(given, link)
            _limit(message, size)
            listener = self._filter(self._program(message)) if self._on else None
            report(link, "ok", listener)
        except BaseException as error:
            report(link, f"{type(error).__name__}: {error}")
            raise
        if listener is not None:
            os.close(listener)

    def _furnish(self, message: dict[str, Any], run_dir: str) -> None:
        """What a JavaScript child finds in its directory: compiled code, and its packages."""
        if message["language"] == "javascript" and self._template.is_dir():
            seed(self._template, Path(run_dir, "deno"))
        if message["language"] == "javascript" and message["reads"]:
            Path(run_dir, "code", "node_modules").symlink_to(
                Path(message["reads"][0], "node_modules")
            )

    def _program(self, message: dict[str, Any]) -> bytes:
        if message["op"] == "tool":
            return self._tool
        return self._python if message["language"] == "python" else self._javascript

    def exec_tool(self, run_dir: str, arguments: list[str], environment: dict[str, str]) -> None:
        """Replaces the process by Deno, in the directory `code`; descriptors 0 to 2 go along."""
        os.chdir(Path(run_dir, "code"))
        given = {**os.environ, **environment, "DENO_DIR": str(Path(run_dir, "deno"))}
        os.execve(self._deno, [self._deno, *arguments], given)  # noqa: S606

    def exec_deno(self, run_dir: str, memory: int, packages: list[str]) -> None:
        """Replaces the process by Deno on the harness; descriptors 0 to 4 go along."""
        for fd in range(5):
            os.set_inheritable(fd, True)
        os.chdir(Path(run_dir, "code"))
        arguments = command(
            self._deno,
            Path(run_dir),
            denied_networks=self._denied_networks,
            heap_mib=memory // (1024 * 1024),
            packages=Path(packages[0]) if packages else None,
            permissions=self._permissions,
        )
        own = Path(run_dir, "deno")
        cached = str(own) if own.is_dir() else _NO_CACHE
        environment = {**os.environ, "DENO_DIR": cached, "NO_COLOR": "1"}
        os.execve(self._deno, arguments, environment)  # noqa: S606

    def _leave_family(self, run_dir: str) -> None:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self._zygote:
            os._exit(1)
        scratch = str(Path(run_dir, "tmp"))
        os.chdir(scratch)
        os.environ["TMPDIR"] = os.environ["HOME"] = scratch
        tempfile.tempdir = None
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _filter(self, template: bytes) -> int:
        """Installs the filter; gives back the descriptor that the supervisor listens on."""
        program = seccomp.for_pid(template, os.getpid())
        code = ctypes.create_string_buffer(program, len(program))
        head = struct.pack("=H6xQ", len(program) // 8, ctypes.addressof(code))
        try:
            return call(_SECCOMP, _SECCOMP_FILTER, _NEW_LISTENER | _WAIT_KILLABLE, head)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return call(_SECCOMP, _SECCOMP_FILTER, _NEW_LISTENER, head)

    def _common_rules(self, version: int) -> Rules:
        rules = Rules(version)
        paths = [*_SYSTEM, sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
        paths += [*site.getsitepackages(), str(_HERE / "python"), str(_HERE / "javascript")]
        if sys.base_prefix not in ("/usr", "/"):
            paths.append(f"{sys.base_prefix}/lib")
        for path in paths:
            rules.allow(path, READ)
        rules.allow("/dev/null", READ | WRITE_FILE)
        for path in (self._deno, "/lib64/ld-linux-x86-64.so.2"):
            rules.allow(path, READ | EXECUTE)
        return rules


def _address_space() -> int:
    with Path("/proc/self/statm").open() as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def _limit(message: dict[str, Any], size: int) -> None:
    """Bounds that the kernel keeps; the worker enforces wall time, resident memory and output.

    `size` is the address space of the fork itself, in bytes.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = message.get("files", _MAX_FILES)
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: _CPU_S,
        resource.RLIMIT_FSIZE: message["scratch"],
        resource.RLIMIT_NOFILE: files if most == resource.RLIM_INFINITY else min(files, most),
    }
    if message["language"] == "python":
        limits[resource.RLIMIT_AS] = size + message["memory"] + _ADDRESS_SLACK
    else:
        limits[resource.RLIMIT_DATA] = message["memory"] + _DATA_SLACK
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))


def _required() -> int:
    """The Landlock version. Raises WallError for what the kernel lacks."""
    if platform.machine() != seccomp.ARCHITECTURE:
        raise WallError(f"the seccomp filter is written for {seccomp.ARCHITECTURE} only")
    version = landlock.abi()
    if version < 1:
        raise WallError("Landlock is missing (kernel 5.13 with CONFIG_SECURITY_LANDLOCK)")
    sizes = bytes(6)
    try:
        call(_SECCOMP, _SECCOMP_SIZES, 0, sizes)
    except OSError:
        raise WallError("seccomp user notification is missing (kernel 5.9)") from None
    if struct.unpack("=3H", sizes) != NOTIFICATION_SIZES:
        raise WallError("seccomp notifications have an unknown size")
    return version
