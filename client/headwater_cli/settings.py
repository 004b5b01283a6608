"""Where Headwater is, and the key for it: the environment first, then the file that `login` wrote.

The file is `config.json` in the platform's place for a user's settings, with mode 600:

    {"url": the last one logged in to, "keys": {url: key}}

A key belongs to the address it was given for, so that another `HEADWATER_URL` never gets it.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs

from headwater_cli.failures import Failure, NoAccess

DEFAULT_URL = "http://127.0.0.1:8000"
URL, KEY = "HEADWATER_URL", "HEADWATER_API_KEY"


@dataclass(frozen=True, slots=True)
class Site:
    """A Headwater. `url` has no slash at its end and no `/v1`."""

    url: str
    key: str = field(repr=False)


@dataclass(slots=True)
class Saved:
    url: str | None = None
    keys: dict[str, str] = field(default_factory=dict, repr=False)


def config_path() -> Path:
    return platformdirs.user_config_path("headwater", appauthor=False) / "config.json"


def clean_url(text: str) -> str:
    """Raises ValueError: not the address of an HTTP server."""
    parts = urlsplit(text.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError(f"{text!r} is not an address such as {DEFAULT_URL}")
    assert parts.port is None or parts.port >= 0  # a port that is none raises ValueError itself
    path = parts.path.rstrip("/").removesuffix("/v1").rstrip("/")
    return f"{parts.scheme}://{parts.netloc.lower()}{path}"


def clean_key(text: str) -> str:
    """Raises ValueError: nothing that a header could carry."""
    key = text.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("that is not an API key")
    return key


def saved() -> Saved:
    path = config_path()
    try:
        read = json.loads(path.read_bytes())
        found = Saved(read["url"], {str(url): str(key) for url, key in read["keys"].items()})
    except FileNotFoundError:
        return Saved()
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Failure(f"{path} cannot be read: remove it, and log in again") from None
    return found


def save(found: Saved) -> Path:
    """Write the file, whole or not at all, for its owner's eyes only."""
    path = config_path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Made with mode 600.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".config-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"url": found.url, "keys": found.keys}, file, indent=2)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def current_url(found: Saved) -> str:
    given = os.environ.get(URL)
    if not given:
        return found.url or DEFAULT_URL
    try:
        return clean_url(given)
    except ValueError as error:
        raise Failure(f"{URL}: {error}") from None


def current() -> Site:
    """Raises NoAccess: nobody gave a key for this address."""
    given = os.environ.get(KEY)
    # With both given, a file that cannot be read is in nobody's way.
    found = Saved() if given and os.environ.get(URL) else saved()
    url = current_url(found)
    key = given or found.keys.get(url)
    if not key:
        raise NoAccess(f"not logged in to {url}: run `headwater login`, or set {KEY}")
    try:
        return Site(url, clean_key(key))
    except ValueError:
        raise NoAccess(f"{KEY} holds no API key" if given else "the saved key is none") from None
