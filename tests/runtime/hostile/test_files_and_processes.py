"""What a component tries against the machine it runs on, and does not get."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from apps.runs.contract import Limits
from tests.runtime.conftest import Bench

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRY = """
def attempt(name, what):
    try:
        self.emit({"got": repr(what())[:200]}, summary=name)
    except BaseException as error:
        self.emit({"refused": f"{type(error).__name__}: {error}"}, summary=name)
import os, socket, ctypes
from pathlib import Path
"""


async def refused(bench: Bench, body: str) -> list[str]:
    """Runs attempts; every one must have been refused. Gives the reasons."""
    outcome = await bench.python(TRY + body, Limits(wall_s=20))
    assert outcome.error is None, outcome.error
    assert outcome.emits
    for emit in outcome.emits:
        assert b'"refused"' in emit.payload, (emit.meta, emit.payload)
    return [emit.payload.decode() for emit in outcome.emits]


async def test_files_outside_are_hidden(bench: Bench, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the key")
    secret.chmod(0o644)
    settings = Path(__file__).resolve().parents[3] / "config" / "settings.py"
    paths = [
        str(secret), str(settings), "/etc/passwd", "/etc/shadow", "/proc/1/environ",
        f"/proc/{os.getpid()}/environ", f"/proc/{os.getpid()}/mem", "/proc/self/environ",
        "/proc/self/maps", "/dev/kmsg", "/sys/kernel/notes", "/root/.bashrc",
    ]  # fmt: skip
    await refused(
        bench,
        f"for path in {paths!r}: attempt(path, lambda: open(path, 'rb').read(10))\n"
        "attempt('ls', lambda: os.listdir('/'))\nattempt('ppid', lambda: open("
        "f'/proc/{os.getppid()}/environ').read())",
    )


async def test_nothing_is_written_outside(bench: Bench, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("as it was")
    victim.chmod(0o666)
    tmp_path.chmod(0o777)
    here = Path(__file__).resolve().parents[3] / "workers/runtime/python/harness.py"
    await refused(
        bench,
        f"""
path = {str(victim)!r}
attempt("write", lambda: open(path, "w"))
attempt("append", lambda: open(path, "a"))
attempt("new", lambda: open(path + "2", "w"))
attempt("truncate", lambda: os.truncate(path, 0))
attempt("unlink", lambda: os.unlink(path))
attempt("rename", lambda: os.rename(path, path + "3"))
attempt("chmod", lambda: os.chmod(path, 0o600))
attempt("utime", lambda: os.utime(path))
attempt("link", lambda: os.link(path, "linked"))
attempt("symlink", lambda: os.symlink(path, "link"))
attempt("mkdir", lambda: os.mkdir(path + "4"))
attempt("harness", lambda: open({str(here)!r}, "a"))
attempt("fifo", lambda: os.mkfifo("fifo"))
attempt("shm", lambda: open("/dev/shm/x", "w"))
attempt("sibling", lambda: os.mkdir("../../sibling"))
""",
    )
    assert victim.read_text() == "as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["victim"]


async def test_no_process_is_started_or_touched(bench: Bench) -> None:
    await refused(
        bench,
        f"""
import signal, subprocess, resource, multiprocessing
libc = ctypes.CDLL(None, use_errno=True)
def call(*numbers):
    if libc.syscall(*(ctypes.c_long(n) for n in numbers)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
attempt("fork", os.fork)
attempt("vfork", lambda: call(58))
attempt("clone", lambda: call(56, 17, 0, 0, 0, 0))
attempt("clone3", lambda: call(435, 0, 0))
attempt("exec", lambda: os.execv("/bin/true", ["true"]))
attempt("subprocess", lambda: subprocess.run(["/bin/true"]))
attempt("kill worker", lambda: os.kill({os.getpid()}, 0))
attempt("kill parent", lambda: os.kill(os.getppid(), signal.SIGKILL))
attempt("kill group", lambda: os.killpg(os.getppid(), signal.SIGKILL))
attempt("kill all", lambda: os.kill(-1, signal.SIGKILL))
attempt("pidfd", lambda: os.pidfd_open(os.getppid()))
attempt("ptrace", lambda: call(101, 16, os.getppid(), 0, 0))
attempt("vm", lambda: call(310, os.getppid(), 0, 0, 0, 0, 0))
attempt("limits", lambda: resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (0, 0)))
attempt("raise", lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (9999, 9999)))
attempt("death", lambda: call(157, 1, 0, 0, 0, 0))
attempt("io_uring", lambda: call(425, 8, 0))

attempt("bpf", lambda: call(321, 0, 0, 0))
attempt("keyctl", lambda: call(250, 0, -3, 0))
attempt("unshare", lambda: call(272, 0x10000000))
attempt("mount", lambda: call(165, 0, 0, 0, 0, 0))
attempt("shmget", lambda: call(29, 0, 4096, 0o1600))
attempt("memfd", lambda: os.memfd_create("x"))
""",
    )


async def test_no_socket_but_tcp(bench: Bench, tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        Path(path).chmod(0o777)
        await refused(
            bench,
            f"""
attempt("unix", lambda: socket.socket(socket.AF_UNIX).connect({path!r}))
attempt("abstract", lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
attempt("pair", lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
attempt("vsock", lambda: socket.socket(socket.AF_VSOCK))
attempt("mptcp", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262))
attempt("bind", lambda: socket.socket().bind(("127.0.0.1", 0)))
attempt("listen", lambda: socket.socket().listen())
attempt("fastopen", lambda: socket.socket().sendto(b"x", 0x20000000, ("127.0.0.1", 9)))
""",
        )


async def test_the_environment_holds_nothing(bench: Bench) -> None:
    os.environ["HEADWATER_TEST_SECRET"] = "do not leak"  # noqa: S105
    try:
        outcome = await bench.python("import os\nself.emit(dict(os.environ))")
    finally:
        del os.environ["HEADWATER_TEST_SECRET"]
    assert b"do not leak" not in outcome.emits[0].payload
    assert b"DJANGO" not in outcome.emits[0].payload


async def test_nothing_of_the_platform_is_in_memory(bench: Bench) -> None:
    """The zygote is lean: neither the platform's libraries nor its folder are within reach."""
    root = str(Path(__file__).resolve().parents[3])
    outcome = await bench.python(
        f"""
        import sys
        heavy = ("django", "celery", "redis", "psycopg", "config", "apps", "structlog")
        self.emit([name for name in sys.modules if name.partition(".")[0] in heavy])
        self.emit({root!r} in sys.path)
        """
    )
    assert [emit.payload for emit in outcome.emits] == [b"[]", b"false"]


async def test_no_descriptor_is_inherited(bench: Bench) -> None:
    outcome = await bench.python(
        """
        import os
        found = []
        for fd in range(256):
            try:
                os.fstat(fd)
                found.append(fd)
            except OSError:
                pass
        self.emit(found)
        """
    )
    held = outcome.emits[0].payload.decode()
    # 0 to 3 are the protocol's; what an event loop opened for itself comes on top.
    assert held.startswith("[0,1,2,3")
    assert len(held.split(",")) <= 8, held


async def test_a_file_has_a_size_limit(bench: Bench) -> None:
    outcome = await bench.python(
        """
        with open("big", "wb") as file:
            file.truncate(1 << 20)
            file.seek(3 << 20)
            file.write(b"x")
        """,
        Limits(scratch_bytes=2 << 20),
    )
    assert outcome.error is not None
    assert outcome.error.name == "OSError"


async def test_threads_work_and_are_bounded(bench: Bench) -> None:
    outcome = await bench.python(
        """
        import threading, time
        threading.stack_size(65536)
        try:
            for _ in range(5000):
                threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        except BaseException as error:
            self.emit(str(error))
        time.sleep(60)
        """,
        Limits(wall_s=20),
    )
    assert outcome.error is not None
    assert outcome.error.name == "Out of Memory"
    assert threading.active_count() < 50
