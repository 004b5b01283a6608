"""A published package as its registry serves it: found, fetched, checked, unpacked in memory.

The registry is the one that Deno asks, by the machine's npm configuration; it is the operator's
choice and may be reached wherever it is. What it serves is checked like hostile input: against the
integrity that it announces, no links, no paths that lead elsewhere, bounded in every way.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import hmac
import io
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

import orjson

from apps.core.errors import ApiError, unprocessable
from apps.core.http import Client, Failed
from apps.runs.contract import check_path

SECONDS: Final = 60.0
DOCUMENT_BYTES: Final = 64 * 1024 * 1024
ARCHIVE_BYTES: Final = 32 * 1024 * 1024
UNPACKED_BYTES: Final = 128 * 1024 * 1024
FILES: Final = 20_000
# Of one file; larger ones are no code.
TEXT_BYTES: Final = 1024 * 1024
PARAMETER: Final = "package"
_NAME: Final = re.compile(r"(@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*\Z")
_KINDS: Final = ("sha512", "sha384", "sha256")


@dataclass(frozen=True, slots=True)
class Package:
    """files  path below the package → text; what is no text is left out"""

    name: str
    version: str
    files: dict[str, str]


def parse(spec: str) -> tuple[str, str]:
    """`pipedream@0.2.2` → name and version; without one `latest`. Raises ApiError 422."""
    name, _, version = spec[1:].partition("@")
    name = spec[:1] + name
    if not _NAME.match(name) or len(name) > 214 or not re.fullmatch(r"[\w.+-]{0,100}", version):
        raise _refused(f"{spec[:200]!r} is not <name> or <name>@<version>")
    return name, version or "latest"


async def download(spec: str, registry: str, client: Client, headers: Mapping[str, str]) -> Package:
    """The package of the registry at that address. `headers` let the operator in there. Raises
    ApiError 422 with the reason."""
    name, wanted = parse(spec)
    schemes = ("https", "http") if registry.startswith("http:") else ("https",)
    address = f"{registry.rstrip('/')}/{quote(name, safe='@')}"
    document = await _get(client, address, DOCUMENT_BYTES, schemes, headers)
    version, dist = _chosen(name, wanted, _json(document))
    tarball = str(dist.get("tarball"))
    same = urlsplit(tarball).netloc == urlsplit(registry).netloc
    data = await _get(client, tarball, ARCHIVE_BYTES, schemes, headers if same else {})
    _verify(data, dist, f"{name}@{version}")
    return Package(name, version, await asyncio.to_thread(unpack, data))


async def _get(
    client: Client, url: str, longest: int, schemes: tuple[str, ...], headers: Mapping[str, str]
) -> bytes:
    host = urlsplit(url).hostname
    try:
        page = await client.get(url, longest=longest, redirects=3, schemes=schemes, headers=headers)
    except Failed as failure:
        raise _refused(f"{host} gave no answer: {failure.code}") from None
    if page.status == 404:
        raise _refused(f"{host} does not know it")
    if page.status != 200:
        raise _refused(f"{host} answered {page.status}")
    return page.body


def _json(data: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(data)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _refused("the registry answered with something else than a package")
    return found


def _chosen(name: str, wanted: str, document: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    tags, versions = document.get("dist-tags"), document.get("versions")
    version = str((tags if isinstance(tags, dict) else {}).get(wanted, wanted))
    found = versions.get(version) if isinstance(versions, dict) else None
    dist = found.get("dist") if isinstance(found, dict) else None
    if not isinstance(dist, dict):
        raise _refused(f"{name} has no version {wanted}")
    return version, dist


def _verify(data: bytes, dist: dict[str, Any], what: str) -> None:
    """By the strongest digest that is announced."""
    announced = dict(word.partition("-")[::2] for word in str(dist.get("integrity") or "").split())
    for kind in _KINDS:
        if kind in announced:
            digest = base64.b64encode(hashlib.new(kind, data).digest()).decode()
            if not hmac.compare_digest(digest, announced[kind].partition("?")[0]):
                raise _refused(f"{what} is not what its registry announced ({kind})")
            return
    # Packages of the time before `integrity`.
    digest = hashlib.sha1(data).hexdigest()  # noqa: S324
    if not hmac.compare_digest(digest, str(dist.get("shasum"))):
        raise _refused(f"{what} is not what its registry announced")


def unpack(data: bytes) -> dict[str, str]:
    """The texts of an npm archive, below its one folder. Raises ApiError 422."""
    found: dict[str, str] = {}
    total = 0
    try:
        for count, (path, size, read) in enumerate(_members(data)):
            total += size
            if total > UNPACKED_BYTES or count >= FILES:
                raise _refused("it is too large when unpacked")
            if size <= TEXT_BYTES and (text := _text(read())) is not None:
                found[path] = text
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, OSError, UnicodeError) as broken:
        raise _refused(f"its archive cannot be read: {str(broken)[:200]}") from None
    return found


def _members(data: bytes) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    unpacked = _Bounded(gzip.GzipFile(fileobj=io.BytesIO(data)))
    with tarfile.open(fileobj=unpacked, mode="r|") as archive:
        for member in archive:
            if member.isdir() or member.type == tarfile.XGLTYPE:
                continue
            _, _, path = member.name.removeprefix("./").partition("/")
            if not member.isreg():
                raise _refused(f"{member.name[:200]!r} is neither a file nor a folder")
            if path.startswith("node_modules/"):
                continue
            try:
                check_path(path)
            except ValueError as refused:
                raise _refused(str(refused)) from None
            # The stream is read in order: before the next member is asked for.
            file = archive.extractfile(member)
            yield path, member.size, file.read if file is not None else bytes


class _Bounded(io.RawIOBase):
    """Ends reading what unpacks to more than it may."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file = file
        self._left = UNPACKED_BYTES + FILES * 1024

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(min(size if size >= 0 else self._left, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise _refused("it is too large when unpacked")
        return data


def _text(data: bytes) -> str | None:
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def login(npmrc: str, registry: str) -> dict[str, str]:
    """The header by which an npm configuration lets its owner in at a registry, if it does."""
    place = registry.partition(":")[2].rstrip("/")
    for line in npmrc.splitlines():
        name, _, value = (part.strip() for part in line.partition("="))
        prefix, _, kind = name.rpartition(":")
        if value and prefix.rstrip("/") == place and prefix.startswith("//"):
            if kind == "_authToken":
                return {"Authorization": f"Bearer {value}"}
            if kind == "_auth":
                return {"Authorization": f"Basic {value}"}
    return {}


def _refused(why: str) -> ApiError:
    return unprocessable(PARAMETER, f"{PARAMETER}: {why}", code="fetch_failed")
