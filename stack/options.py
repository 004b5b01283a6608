"""What the environment asks of `make run`. Read here, before Django exists; the same names are
read by config/settings.py in every process that the stack starts."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from stack.errors import StackError

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Options:
    """One start of the stack.

    data      HEADWATER_DATA, else `var` in the project
    host      HOST: the address that the web process binds, 127.0.0.1 by default
    port      PORT, 8000 by default
    workers   WORKERS: how many `worker` processes, 2 by default
    database_url   DATABASE_URL: a server instead of the embedded one; empty without it
    embedded_valkey   false where REDIS_URL names a server
    """

    root: Path
    data: Path
    host: str
    port: int
    workers: int
    database_url: str
    embedded_valkey: bool

    @property
    def embedded_postgres(self) -> bool:
        return not self.database_url

    @property
    def near_host(self) -> str:
        """The address of the web process, seen from this machine."""
        everywhere = ("0.0.0.0", "::", "localhost")  # noqa: S104
        return "127.0.0.1" if self.host in everywhere else self.host

    @property
    def url(self) -> str:
        host = f"[{self.near_host}]" if ":" in self.near_host else self.near_host
        return f"http://{host}:{self.port}"


def read(root: Path = ROOT) -> Options:
    """StackError names the variable that cannot be used."""
    given = os.environ
    return Options(
        root=root,
        data=Path(given.get("HEADWATER_DATA") or root / "var").absolute(),
        host=given.get("HOST") or "127.0.0.1",
        port=_number("PORT", 8000, 1, 65535),
        workers=_number("WORKERS", 2, 1, 64),
        database_url=given.get("DATABASE_URL") or "",
        embedded_valkey=not given.get("REDIS_URL"),
    )


def environment(more: dict[str, str]) -> dict[str, str]:
    """The environment of a process of the stack: ours, with `python` being ours, and `more`."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**os.environ, "PATH": programs, "PYTHONUNBUFFERED": "1", **more}


def _number(name: str, default: int, least: int, most: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or not least <= int(text) <= most:
        raise StackError(f"{name}={text}: a whole number from {least} to {most} is needed")
    return int(text)
