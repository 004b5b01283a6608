"""Settings of the runtime. Nothing here reads the environment: `config.settings` does."""

from __future__ import annotations

import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Sandbox = Literal["on", "unsafe"]


def deno_beside_python() -> str:
    """Path of the `deno` executable that the wheel of the same name put beside this Python."""
    return str(Path(sysconfig.get_path("scripts")) / "deno")


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """How one worker process runs untrusted code.

    run_dir        private directory under the data directory; each worker makes its own below it
    packages_dir   where package sets are installed; None: beside run_dir
    egress_allow   networks open in spite of the egress rules: `CIDR` or `CIDR:port`, `[CIDR6]:port`
    egress_deny    networks closed whatever is open, of the same forms
    egress_resolve names that go before DNS: `host=address`, `host=address:port`
    egress_ca      file of one more certificate authority that children trust, or ""
    sandbox        "unsafe" runs children without the wall
    max_children   bound on live children, busy and idle
    idle_s         seconds after which an idle child is ended
    recycle_runs   runs after which a child is ended
    load_timeout_s seconds that loading a component may take
    python, deno   executables
    sandbox_uid    uid (and gid) of children when the worker runs as root
    resolver       host and port of a name server that children ask in place of the system's (behind
                   the wall; not with egress_resolve)
    deno_permissions  False is for tests of the outer wall alone: JavaScript without Deno's own one
    """

    run_dir: Path
    packages_dir: Path | None = None
    egress_allow: tuple[str, ...] = ()
    egress_deny: tuple[str, ...] = ()
    egress_resolve: tuple[str, ...] = ()
    egress_ca: str = ""
    sandbox: Sandbox = "on"
    max_children: int = 200
    idle_s: float = 300.0
    recycle_runs: int = 1000
    load_timeout_s: float = 10.0
    python: str = sys.executable
    deno: str = field(default_factory=deno_beside_python)
    sandbox_uid: int = 60_317
    resolver: tuple[str, int] | None = None
    deno_permissions: bool = True

    @property
    def packages(self) -> Path:
        """Absolute and free of symlinks, as Deno compares paths."""
        return (self.packages_dir or self.run_dir.parent / "packages").resolve()
