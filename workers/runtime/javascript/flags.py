"""The command line of a JavaScript component's process.

The flags are the inner wall of JavaScript (the outer one is the operating system's): each was
measured against the attacks that `tests/runtime/hostile/` holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

HARNESS = Path(__file__).resolve().parent / "harness.mjs"

DENIED_NETWORKS = (
    "127.0.0.0/8",
    "0.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "[::1]",
    "[::]",
)

# What libraries ask for when they describe the machine to a server, and no more.
ALLOWED_SYS = ("hostname", "osRelease", "osUptime", "homedir", "cpus", "uid", "gid")


def command(
    deno: str,
    run_directory: Path,
    *,
    denied_networks: Sequence[str] = DENIED_NETWORKS,
    heap_mib: int | None = None,
    packages: Path | None = None,
    permissions: bool = True,
) -> list[str]:
    """The arguments that start the harness in `run_directory` (absolute, free of symlinks).

    `denied_networks`: a range that the operator's `EGRESS_ALLOW` touches must be left out here and
    be decided by the connect supervisor, since Deno lets a denied range override any allowed one.
    `heap_mib` bounds V8's old space. `packages` is the directory of the component's package set; it
    is found when the process starts in `<run_directory>/code`, where its `node_modules` is.
    `permissions=False` allows everything, for tests of what the outer wall stops by itself.
    """
    readable = [str(run_directory), "/proc/self/fd/3", *([str(packages)] if packages else [])]
    arguments = [
        deno,
        "run",
        "--quiet",
        "--no-prompt",
        "--no-config",
        "--no-lock",
        "--no-remote",
        "--cached-only",
        "--node-modules-dir=manual",
        "--unstable-detect-cjs",
        "--unstable-sloppy-imports",
    ]
    if not permissions:
        arguments.append("--allow-all")
    else:
        arguments += [
            "--ignore-env",
            f"--allow-read={','.join(readable)}",
            f"--allow-write={run_directory},/proc/self/fd/4",
            "--allow-net",
            f"--allow-sys={','.join(ALLOWED_SYS)}",
        ]
    if denied_networks and permissions:
        arguments.append(f"--deny-net={','.join(denied_networks)}")
    if heap_mib is not None:
        arguments.append(f"--v8-flags=--max-old-space-size={heap_mib}")
    return [*arguments, str(HARNESS), str(run_directory)]
