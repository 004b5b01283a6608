"""What MkDocs calls while it builds the site: pages that are made, the navigation, links.

`python -m mkdocs` in the project's folder finds the modules of the project; `mkdocs` does not.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from website import links, rest

ROOT = Path(__file__).resolve().parents[1]

_DECISIONS = """# Decisions

Why Headwater is built as it is: what was asked, what was decided, and what was considered and left.

| | |
|---|---|
"""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The folders that the navigation names become the pages in them."""
    config.nav = [_unfolded(entry) for entry in config.nav or []]
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds the pages that do not stand in docs/."""
    for path, page in links.PAGES.items():
        if path.endswith(".md"):
            files.append(_page(config, page, (ROOT / path).read_text("utf-8")))
    files.append(_page(config, "decisions/index.md", _DECISIONS + _listed()))
    for name, text in _reference().items():
        files.append(_page(config, f"rest/{name}", text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    if page.file.src_uri.startswith("rest/") or page.file.src_uri == "decisions/index.md":
        return markdown
    return links.rewritten(markdown, page.file.src_uri, config.repo_url or "")


def _page(config: MkDocsConfig, path: str, text: str) -> File:
    return File.generated(config, path, content=text)


def _reference() -> dict[str, str]:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from apps.api.openapi import document

    return rest.pages(document())


def _decisions() -> dict[str, str]:
    """File name → title without its number, in order."""
    return {
        file.name: re.sub(r"^[# ]*([0-9]+[.:]? )?", "", file.read_text("utf-8").partition("\n")[0])
        for file in sorted((ROOT / "docs/decisions").glob("*.md"))
    }


def _listed() -> str:
    rows = [f"| {name[:4]} | [{title}]({name}) |" for name, title in _decisions().items()]
    return "\n".join(rows)


def _unfolded(entry: Any) -> Any:
    """An entry of the navigation, folders (`rest/`) replaced by lists of pages."""
    if not isinstance(entry, dict):
        return entry
    made = {}
    for title, target in entry.items():
        if isinstance(target, list):
            made[title] = [_unfolded(one) for one in target]
        elif target == "decisions/":
            made[title] = ["decisions/index.md", *(f"decisions/{name}" for name in _decisions())]
        elif target == "rest/":
            made[title] = [f"rest/{name}" for name in _reference()]
        else:
            made[title] = target
    return made
