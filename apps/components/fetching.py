"""Fetching a component by its URL, and what it imports by relative paths (REST specification 5.2).

Done once, by the worker that describes the component: what came is frozen with it. The client
decides on every address and redirect (`apps.core.http`); this side decides what to ask for, keeps
the layout, and says in one line why something could not be had.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.conf import settings

from apps.components import services
from apps.components.locations import Location, candidates, locate, relative
from apps.core import errors
from apps.core.addresses import BadUrl, check_url
from apps.core.http import Client, Failed, Page, policy_by_settings
from apps.runs.contract import TREE_BYTES, Language

PARAMETER = "component_url"
# Of one file, redirects included; of the whole tree.
FILE_SECONDS = 10.0
TREE_SECONDS = 25.0
REDIRECTS = 3
FILES = 100
# Files that are tried for, also where there is none.
REQUESTS = 300
DEPTH = 16
AT_ONCE = 6
# Folders that are looked into for a package.json, from the entry's own towards the root.
MANIFEST_LEVELS = 6
MANIFEST = "package.json"

# What each of some JavaScript files imports: path → text to path → specifiers.
Imports = Callable[[Mapping[str, str]], Awaitable[Mapping[str, Sequence[str]]]]

_ABSENT = (404, 410)
_WHY = {
    "bad_url": "is no URL that can be called",
    "bad_redirect": "redirects to where no code is fetched from",
    "too_many_redirects": f"redirects more than {REDIRECTS} times",
    "blocked_address": "leads to an address that must not be called",
    "dns_failed": "names a host that cannot be found",
    "connection_failed": "could not be reached",
    "tls_failed": "shows no valid certificate",
    "timeout": "did not answer in time",
    "bad_answer": "gave an answer that cannot be read",
}


@dataclass(slots=True)
class Fetched:
    """code      the text of the entry
    entry     its path in the tree
    files     the rest of the tree: path → text
    language  by the ending of the URL, if that tells
    missing   one line for each import that was not there, which matters only when the code does
              not load
    """

    code: str
    entry: str
    language: Language | None
    files: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def check(url: str) -> str:
    """The URL itself; 400 when it cannot be one of a component, before anything is asked for."""
    try:
        check_url(url, policy_by_settings())
        scheme = locate(url).url.partition(":")[0]
    except BadUrl as refused:
        raise errors.invalid(PARAMETER, f"{PARAMETER} {refused}") from None
    if scheme not in schemes():
        raise errors.invalid(PARAMETER, f"{PARAMETER} must begin with https://")
    return url


def schemes() -> tuple[str, ...]:
    """Those that code may come by (setting COMPONENT_URL_HTTP)."""
    return ("https", "http") if settings.COMPONENT_URL_HTTP else ("https",)


async def fetch(
    url: str, client: Client, imports: Imports, language: Language | None = None
) -> Fetched:
    """Raises ApiError: 422 for what cannot be fetched, 413 over a limit, 400 for what is no code.

    `language` is the one the caller told; only JavaScript has relative imports.
    """
    try:
        async with asyncio.timeout(TREE_SECONDS):
            return await _Fetch(client, imports).tree(url, language)
    except TimeoutError:
        raise _refused(f"was not fetched with all its imports in {TREE_SECONDS:.0f} s") from None


class _Fetch:
    """One component's. Every path is asked for once."""

    def __init__(self, client: Client, imports: Imports) -> None:
        self._client = client
        self._imports = imports
        self._absent: set[str] = set()
        self._requests = 0
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def tree(self, url: str, language: Language | None) -> Fetched:
        self._location = locate(url)
        page = await self._ask(self._location.url)
        if page.status != 200:
            raise _refused(f"{_shown(page.url)} answered {page.status}")
        if page.content_type == "text/html":
            raise errors.invalid(PARAMETER, f"{PARAMETER} leads to a web page, not to code")
        if page.url != self._location.url:
            self._location = _moved(page.url, self._location)
        told = language or self._location.language
        self._found = Fetched(_text(page), self._location.path, told)
        services.check_code(self._found.code, PARAMETER)
        if told != "python":
            await self._follow()
        services.check_files(self._found.entry, self._found.files, PARAMETER)
        return self._found

    async def _follow(self) -> None:
        """Fetch what is imported, and what that imports."""
        found = self._found
        fresh, bare = {found.entry: found.code}, False
        for _ in range(DEPTH):
            imported = await self._imports(fresh)
            bare = bare or any(_is_package(name) for names in imported.values() for name in names)
            fresh = await self._add(
                (importer, name)
                for importer, names in imported.items()
                for name in names
                if relative(name)
            )
            if not fresh:
                break
        else:
            raise _refused(f"imports files over more than {DEPTH} steps")
        if bare:
            await self._add_manifest()

    async def _add(self, imports: Iterable[tuple[str, str]]) -> dict[str, str]:
        """The files behind some imports that are not in the tree yet; they are then."""
        wanted: dict[tuple[str, ...], str] = {}
        for importer, name in imports:
            try:
                wanted.setdefault(tuple(candidates(importer, name)), f"{importer} imports {name!r}")
            except ValueError as refused:
                raise errors.invalid(PARAMETER, f"{PARAMETER}: {importer}: {refused}") from None
        tries = [self._first(paths, why) for paths, why in wanted.items()]
        results = await asyncio.gather(*tries, return_exceptions=True)
        fresh: dict[str, str] = {}
        for result in results:
            if isinstance(result, BaseException):
                raise result
            if result is not None:
                fresh[result[0]] = result[1]
        self._keep(fresh)
        return fresh

    def _keep(self, fresh: Mapping[str, str]) -> None:
        files = self._found.files
        files |= fresh
        if len(files) > FILES:
            raise errors.invalid(PARAMETER, f"{PARAMETER} imports more than {FILES} files")
        if sum(len(text.encode()) for text in files.values()) > TREE_BYTES:
            raise errors.too_large(PARAMETER, TREE_BYTES)

    async def _first(self, paths: Sequence[str], why: str) -> tuple[str, str] | None:
        """The first of the paths at which there is a file; None when it is in the tree already,
        or nowhere."""
        answers: list[str] = []
        for path in paths:
            if path == self._found.entry or path in self._found.files:
                return None
            if path in self._absent:
                continue
            page = await self._ask(self._location.url_of(path))
            # Some hosts answer with their front page instead of 404.
            if page.status == 200 and page.content_type != "text/html":
                return path, _text(page)
            if page.status != 200 and page.status not in _ABSENT:
                raise _refused(f"{why}: {_shown(page.url)} answered {page.status}")
            self._absent.add(path)
            answers.append(f"{_shown(page.url)} answered {page.status}")
        self._found.missing.append(
            f"{why}, which is not there" + "".join(f": {a}" for a in answers[:1])
        )
        return None

    async def _add_manifest(self) -> None:
        """The nearest package.json, which tells versions of the packages that are imported."""
        folders = self._found.entry.split("/")[:-1]
        for count in range(len(folders), max(-1, len(folders) - MANIFEST_LEVELS), -1):
            path = "/".join([*folders[:count], MANIFEST])
            if path in self._found.files:
                return
            page = await self._ask(self._location.url_of(path))
            if page.status == 200 and page.content_type != "text/html":
                self._keep({path: _text(page)})
                return

    async def _ask(self, url: str) -> Page:
        self._requests += 1
        if self._requests > REQUESTS:
            raise errors.invalid(PARAMETER, f"{PARAMETER} imports too many files")
        longest = settings.COMPONENT_BYTES
        async with self._gate:
            try:
                return await self._client.get(
                    url, longest=longest, redirects=REDIRECTS, schemes=schemes()
                )
            except Failed as failure:
                if failure.code == "too_large":
                    raise errors.too_large(PARAMETER, longest) from None
                raise _refused(f"{_shown(url)} {_WHY[failure.code]}") from None


def missing(found: Sequence[str]) -> errors.ApiError:
    """422 for code that did not load without the files that were not there."""
    return _refused(found[0])


def _moved(url: str, before: Location) -> Location:
    """Where the tree is when the entry's URL redirected: relative paths start at what answered."""
    try:
        return locate(url)
    except BadUrl:
        return before


def _is_package(name: str) -> bool:
    return not relative(name) and not name.startswith(("/", "node:")) and "://" not in name


def _text(page: Page) -> str:
    try:
        return page.body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise errors.invalid(
            PARAMETER, f"{PARAMETER}: {_shown(page.url)} is not UTF-8 text"
        ) from None


def _shown(url: str) -> str:
    """Without the query, which may hold what lets its owner in."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"[:300]


def _refused(why: str) -> errors.ApiError:
    return errors.unprocessable(PARAMETER, f"{PARAMETER}: {why}", code="fetch_failed")
