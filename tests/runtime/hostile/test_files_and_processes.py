"""What a component tries against the machine it runs on, beside the catalogue of attacks."""

from __future__ import annotations

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


async def test_calls_that_no_attack_of_the_catalogue_makes(bench: Bench) -> None:
    await refused(
        bench,
        """
import signal, resource
libc = ctypes.CDLL(None, use_errno=True)
def call(*numbers):
    if libc.syscall(*(ctypes.c_long(n) for n in numbers)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
attempt("vfork", lambda: call(58))
attempt("clone", lambda: call(56, 17, 0, 0, 0, 0))
attempt("clone3", lambda: call(435, 0, 0))
attempt("exec", lambda: os.execv("/bin/true", ["true"]))
attempt("kill parent", lambda: os.kill(os.getppid(), signal.SIGKILL))
attempt("kill group", lambda: os.killpg(os.getppid(), signal.SIGKILL))
attempt("kill all", lambda: os.kill(-1, signal.SIGKILL))
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
