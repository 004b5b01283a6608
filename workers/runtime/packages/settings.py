"""How packages are installed. Nothing here reads the environment: `config.settings` does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InstallSettings:
    """Bounds and addresses of installing.

    allowed       False refuses every component that needs a package
    seconds       of installing the packages of one component as a whole, and of each tool
    most_bytes, most_files  of one installed set
    npm_registry  address, "" = that of the configuration file, else Deno's own
    npmrc         text of the operator's npm configuration file
    pip           keys and values of pip's configuration: `index-url`, `find-links` …
    """

    allowed: bool = True
    seconds: float = 30.0
    most_bytes: int = 256 * 1024 * 1024
    most_files: int = 50_000
    npm_registry: str = ""
    npmrc: str = ""
    pip: tuple[tuple[str, str], ...] = ()
