"""Where a component's files are, by the URL of its entry (REST specification 5.2). Pure.

A URL is read as the root of a tree and the entry's path in it: what the entry imports by relative
paths lies in the same tree, and is laid out there for the child that loads it. Of a GitHub URL the
root is the repository at one reference, of a gist the gist at one revision, of any other URL the
host.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from apps.core.addresses import BadUrl, Target
from apps.runs.contract import Language, check_path

RAW = "https://raw.githubusercontent.com"
GITHUB = ("github.com", "www.github.com")
LANGUAGES: dict[str, Language] = {
    ".py": "python",
    ".js": "javascript",
    ".mjs": "javascript",
    ".cjs": "javascript",
    ".ts": "javascript",
    ".mts": "javascript",
    ".cts": "javascript",
    ".tsx": "javascript",
    ".jsx": "javascript",
}
# What a relative path may leave out, in the order in which it is tried: as CommonJS does, with
# TypeScript's endings after its own.
ENDINGS = (".js", ".json", ".ts", ".mjs", ".cjs")
_INDEXES = ("index.js", "index.json", "index.ts")
_TYPED = {".js": ".ts", ".mjs": ".mts", ".cjs": ".cts"}
_GIST_ID = re.compile(r"[0-9a-f]{5,64}\Z")
_RELATIVE = re.compile(r"\.\.?(?:/|\Z)")


@dataclass(frozen=True, slots=True)
class Location:
    """url       what is fetched for the entry
    root      URL of the folder that holds the tree, with a slash at its end
    path      of the entry below the root, decoded; one without an ending of code gets `.js`
    language  what the ending tells
    """

    url: str
    root: str
    path: str
    language: Language | None

    def url_of(self, path: str) -> str:
        """Where another file of the tree is."""
        return self.root + quote(path)


def locate(url: str) -> Location:
    """Raises BadUrl: not an http or https URL, no path, a path that is none inside a tree."""
    target = Target(url)
    parts = urlsplit(url)
    segments = [part for part in target.path.partition("?")[0].split("/") if part]
    if not segments or (parts.path.endswith("/") and target.host not in GITHUB):
        raise BadUrl("must name the file of a component")
    if target.port == 443:
        if target.host in GITHUB:
            return _github(segments)
        if target.host == "gist.github.com":
            return _gist(segments, parts.fragment)
    whole = f"{target.scheme}://{target.authority}"
    root = segments[: _rooted(target.host, segments)]
    return _location(
        f"{whole}{target.path}",
        "/".join([whole, *root, ""]),
        segments[len(root) :],
    )


def language_of(path: str) -> Language | None:
    return LANGUAGES.get(posixpath.splitext(path)[1].lower())


def relative(specifier: str) -> bool:
    """Whether an import names a file of the same tree."""
    return _RELATIVE.match(specifier) is not None


def candidates(importer: str, specifier: str) -> list[str]:
    """The paths that a relative import may mean, the likeliest first. Raises ValueError when it
    leads out of the tree, or to a path that cannot be laid out."""
    folder, _, _ = importer.rpartition("/")
    wanted = specifier.partition("?")[0].partition("#")[0]
    path = posixpath.normpath(posixpath.join(folder, unquote(wanted)))
    if path == ".." or path.startswith(("../", "/")):
        raise ValueError(f"{specifier[:200]!r} leads out of the tree of the component")
    inside = "" if path == "." else f"{path}/"
    found = [inside + index for index in _INDEXES]
    if posixpath.basename(wanted) not in ("", ".", ".."):
        stem, ending = posixpath.splitext(path)
        exact = [path] if ending else []
        if ending in LANGUAGES or ending in ENDINGS:
            found = [*exact, *([stem + _TYPED[ending]] if ending in _TYPED else [])]
        else:
            found = [*exact, *(path + more for more in ENDINGS), *found]
    for one in found:
        check_path(one)
    return found


# --- forms ------------------------------------------------------------------------------------


def _github(segments: list[str]) -> Location:
    """`owner/repo/blob/ref/path`, and the short form `owner/repo/path` on the default branch."""
    owner, repo, rest = segments[0], "".join(segments[1:2]), segments[2:]
    reference = "HEAD"
    if rest and rest[0] in ("blob", "raw", "tree"):
        reference, rest = (rest[1], rest[2:]) if len(rest) > 1 else ("", [])
        if reference == "refs" and len(rest) > 1:
            # Written out in full, as in `refs/heads/main`.
            reference, rest = "/".join(["refs", *rest[:2]]), rest[2:]
    if not rest:
        raise BadUrl("must name the file of a component: github.com/<owner>/<repo>/<path>")
    root = f"{RAW}/{owner}/{repo}/{reference}/"
    return _location(root + "/".join(rest), root, rest)


def _gist(segments: list[str], fragment: str) -> Location:
    """`user/id`, `user/id/revision`, `user/id/raw/…`: the first file, or the one that is named."""
    if len(segments) < 2 or not _GIST_ID.match(segments[1]):
        raise BadUrl("must name a gist: gist.github.com/<user>/<id>")
    if fragment:
        raise BadUrl("must name the file of a gist by its raw URL, not by a fragment")
    gist, rest = segments[:2], segments[2:]
    if rest[:1] == ["raw"]:
        rest = rest[1:]
    elif len(rest) > 1:
        raise BadUrl("must name a gist: gist.github.com/<user>/<id>")
    root = "/".join(["https://gist.githubusercontent.com", *gist, "raw", ""])
    url = root + "/".join(rest)
    return _location(url if rest else url.rstrip("/"), root, rest or ["component"])


def _rooted(host: str, segments: list[str]) -> int:
    """How many segments of a path lead to the root of the tree."""
    if host == "raw.githubusercontent.com":
        return min(5 if segments[2:3] == ["refs"] else 3, len(segments) - 1)
    if host == "gist.githubusercontent.com" and segments[2:3] == ["raw"]:
        revised = len(segments) > 4 and _GIST_ID.match(segments[3])
        return min(4 if revised else 3, len(segments) - 1)
    return 0


def _location(url: str, root: str, segments: list[str]) -> Location:
    try:
        names = [unquote(segment, errors="strict") for segment in segments]
    except UnicodeDecodeError:
        raise BadUrl("must encode its path in UTF-8") from None
    if any("/" in name for name in names):
        raise BadUrl("must not hold an encoded slash")
    if any(unquote(part) in (".", "..") for part in root.split("/")):
        raise BadUrl("must not hold the segments . and ..")
    path = "/".join(names)
    language = language_of(path)
    if language is None:
        path += ".js"
    try:
        check_path(path)
    except ValueError as refused:
        raise BadUrl(f"cannot be laid out: {refused}") from None
    return Location(url, root, path, language)
