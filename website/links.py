"""Links of documents as they are read on a code host, made to lead to pages of the site. Pure.

Documents link relative to where they stand in the repository. What is a page of the site is linked
as that page; any other file is named, as the site does not have it, and linked where the
repository has an address.
"""

from __future__ import annotations

import posixpath
import re

# Files outside docs/ that are pages: where they stand → which page they are.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "reporting.md",
    "apps/components/builtin/README.md": "builtin.md",
    # Their index is made.
    "docs/decisions": "decisions/index.md",
}
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s:]+)(?P<anchor>#[^)\s]*)?\)")
_CODE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def page_of(path: str) -> str | None:
    """The page that a file of the repository is, both with slashes; None when it is none."""
    if path in PAGES:
        return PAGES[path]
    inside = path.startswith("docs/") and path.endswith(".md")
    return path.removeprefix("docs/") if inside else None


def file_of(page: str) -> str:
    """The file of the repository that a page is."""
    return next((path for path, one in PAGES.items() if one == page), f"docs/{page}")


def rewritten(text: str, page: str, repository: str = "") -> str:
    """The Markdown of a page with its links led to pages; code blocks stay as they are.

    repository  address below which the files of the project are shown, or nothing
    """
    folder = posixpath.dirname(file_of(page))

    def lead(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, link["target"]))
        anchor = link["anchor"] or ""
        if target := page_of(path):
            there = posixpath.relpath(target, posixpath.dirname(page) or ".")
            return f"[{link['text']}]({there}{anchor})"
        if repository:
            return f"[{link['text']}]({repository.rstrip('/')}/{path}{anchor})"
        named = link["text"].strip("`") == path
        return f"`{path}`" if named else f"{link['text']} (`{path}`)"

    parts, end = [], 0
    for code in _CODE.finditer(text):
        parts += [_LINK.sub(lead, text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, _LINK.sub(lead, text[end:])])
