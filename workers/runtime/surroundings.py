"""What a child finds around it, and what the process that keeps children needs of the system."""

from __future__ import annotations

import resource
import ssl
from pathlib import Path
from typing import Final

import certifi

_OPEN_FILES: Final = 65536


def environment(run_dir: Path) -> dict[str, str]:
    """What component code finds in its environment."""
    scratch = str(run_dir / "tmp")
    return {"TZ": "UTC", "LANG": "C.UTF-8", "HOME": scratch, "TMPDIR": scratch}


def authorities(own: str, directory: Path) -> str:
    """Path of a file with the public certificate authorities, those of the system and those of the
    file `own`, which children can read; "" without `own`. Raises OSError.

    The system's are among them because tools that install packages trust them without `own` too.
    """
    if not own:
        return ""
    found = dict.fromkeys([certifi.where(), *_of_the_system(), own])
    path = directory / "authorities.pem"
    path.write_text("\n".join(Path(file).read_text() for file in found))
    path.chmod(0o644)
    return str(path)


def _of_the_system() -> list[str]:
    """The file of the system's authorities, where it has one."""
    told = ssl.get_default_verify_paths()
    candidates = [told.cafile, told.capath and f"{told.capath}/ca-certificates.crt"]
    return [file for file in candidates if file and Path(file).is_file()][:1]


def raise_open_files() -> None:
    """Each child costs this process three or four descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
