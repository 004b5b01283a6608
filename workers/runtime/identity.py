"""Who children are: the zygote gives up root and capabilities before it forks any."""

from __future__ import annotations

import ctypes
import os
import resource
import site
import struct
import sysconfig
from pathlib import Path
from typing import Any, Final

from workers.runtime.landlock import LIBC, call

_HERE: Final = Path(__file__).resolve().parent
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_NO_NEW_PRIVS = 1, 4, 8, 38
PR_SET_CHILD_SUBREAPER, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 36, 47, 2
_CAPSET: Final = 126
_CAP_DAC_READ_SEARCH: Final = 2


class WallError(RuntimeError):
    """The wall cannot stand here; the text names what is missing."""


def prctl(option: int, *arguments: int) -> None:
    """Raises OSError."""
    given = [ctypes.c_ulong(a) for a in (*arguments, 0, 0, 0, 0)[:4]]
    if LIBC.prctl(ctypes.c_int(option), *given) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {option}: {os.strerror(number)}")


def prepare_zygote(config: dict[str, Any]) -> None:
    """Gives up root and every capability, takes in orphans, sets the environment of children.

    Raises WallError when the ordinary identity could not read what children need.
    """
    os.umask(0o077)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    if config["sandbox"] == "on":
        _become(config["uid"], config["run_dir"], _needed(config))
        prctl(PR_SET_DUMPABLE, 1)
        prctl(PR_SET_NO_NEW_PRIVS, 1)
    os.environ.update(_environment(config["authorities"]))


def _environment(authorities: str) -> dict[str, str]:
    found = {"LANG": "C.UTF-8", "TZ": "UTC", "RES_OPTIONS": "use-vc", "PATH": "/usr/bin:/bin"}
    if authorities:
        # Python's ssl; requests; Deno.
        names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "DENO_CERT")
        found.update(dict.fromkeys(names, authorities))
    return found


def _become(uid: int, run_dir: str, needed: dict[str, int]) -> None:
    """Ends as the least of these that can read what children need. Raises WallError.

    1. `uid` without capabilities.
    2. `uid` with the one of reading any file: a project may live below a home that only root can
       enter. Landlock says which files a child sees, and seccomp refuses open_by_handle_at.
    3. Root without capabilities, for containers that have not that one to give. This is what an
       ordinary user is: the same as its worker, with Landlock and seccomp in between.
    An ordinary user stays what it is.
    """
    mask = 0
    if os.geteuid() == 0 and (reach := _reach_of(uid, needed)) is not None:
        if not reach and _holds(_CAP_DAC_READ_SEARCH):
            mask = 1 << _CAP_DAC_READ_SEARCH
        if reach or mask:
            os.chown(run_dir, uid, uid)
            prctl(PR_SET_KEEPCAPS, 1)
            _leave_root(uid)
    _set_capabilities(mask)
    if mask:
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, _CAP_DAC_READ_SEARCH)
    elif missing := _out_of_reach(needed):
        raise WallError(f"uid {os.getuid()} cannot read {', '.join(missing)}")


def who() -> str:
    """Who this process is, in words."""
    held = _held()
    if not held:
        return f"uid {os.getuid()} without capabilities"
    if held == 1 << _CAP_DAC_READ_SEARCH:
        return f"uid {os.getuid()} with the capability of reading files, which Landlock decides on"
    return f"uid {os.getuid()} with capabilities {held:x}"


def _leave_root(uid: int) -> None:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def _reach_of(uid: int, paths: dict[str, int]) -> bool | None:
    """Whether `uid` alone can read all `paths`; None when this process cannot become it."""
    pid = os.fork()
    if pid == 0:
        status = 2
        try:
            _leave_root(uid)
            status = 1 if _out_of_reach(paths) else 0
        finally:
            os._exit(status)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return None if code == 2 else code == 0


def _out_of_reach(paths: dict[str, int]) -> list[str]:
    """access(2) asks for the user alone, without capabilities (other than root's own)."""
    return [path for path, mode in paths.items() if not os.access(path, mode)]


def _holds(capability: int) -> bool:
    return bool(_held() >> capability & 1)


def _held() -> int:
    """The capabilities of this process that it may use, as bits."""
    with Path("/proc/self/status").open() as status:
        held = next(line for line in status if line.startswith("CapPrm:"))
    return int(held.split()[1], 16)


def _needed(config: dict[str, Any]) -> dict[str, int]:
    """Paths that children need, and how: directories to be entered, files to be read."""
    paths = [sysconfig.get_path("stdlib"), str(_HERE / "python"), str(_HERE / "javascript")]
    paths += [*site.getsitepackages(), config["deno"], str(Path(config["run_dir"]).parent)]
    found = [path for path in paths if Path(path).exists()]
    return {path: os.X_OK if Path(path).is_dir() else os.R_OK for path in found}


def _set_capabilities(mask: int) -> None:
    header = struct.pack("=Ii", 0x20080522, 0)
    call(_CAPSET, header, struct.pack("=6I", mask, mask, mask, 0, 0, 0))


def children_of_self() -> list[int]:
    """Every direct child, adopted ones too."""
    me = os.getpid()
    found = []
    for entry in filter(str.isdigit, (path.name for path in Path("/proc").iterdir())):
        try:
            with Path(f"/proc/{entry}/stat").open() as stat:
                if int(stat.read().rpartition(")")[2].split()[1]) == me:
                    found.append(int(entry))
        except OSError:
            continue
    return found


def anonymous_bytes(pid: int | str) -> int:
    """Memory that belongs to a process alone: anonymous and shared pages, not files. 0: gone."""
    total = 0
    try:
        with Path(f"/proc/{pid}/status").open() as status:
            for line in status:
                if line.startswith(("RssAnon:", "RssShmem:")):
                    total += int(line.split()[1]) * 1024
    except OSError:
        return 0
    return total
