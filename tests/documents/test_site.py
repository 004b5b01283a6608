"""The documents as a site: it builds without a warning, and no page asks another host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.processes import ROOT
from website.links import page_of

# Elements that make a browser load something, and where they say what.
LOADING = {
    ("script", "src"), ("link", "href"), ("img", "src"), ("img", "srcset"), ("iframe", "src"),
    ("source", "src"), ("video", "src"), ("object", "data"), ("embed", "src"), ("use", "href"),
}  # fmt: skip
# The theme loads the library of such drawings from another host where it finds one.
DRAWN = re.compile(r'class="[^"]*\bmermaid\b')


class Loaded(HTMLParser):
    """What a page makes a browser load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and given.get("rel") in ("canonical", "prev", "next"):
            return
        self.found += [value or "" for name, value in attrs if (tag, name) in LOADING]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_every_document_is_a_page(site: Path) -> None:
    documents = [path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")]
    for path in [*documents, "README.md", "CHANGELOG.md", "SECURITY.md"]:
        page = page_of(path)
        assert page is not None, path
        assert (site / page).with_suffix(".html").exists(), path


def test_no_page_asks_another_host_for_anything(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    asked = {
        f"{page.relative_to(site)}: {target}"
        for page in pages
        for target in Loaded(page.read_text("utf-8")).found
        if re.match(r"(\w+:)?//", target) and not target.startswith("data:")
    }
    asked |= {
        f"{sheet.relative_to(site)}: {target}"
        for sheet in site.rglob("*.css")
        for target in re.findall(
            r"""(?:url\(|@import )["']?((?:\w+:)?//[^)"']+)""", sheet.read_text()
        )
    }
    assert asked == set()
    assert [page.name for page in pages if DRAWN.search(page.read_text("utf-8"))] == []
    assert len(pages) > 50


def test_the_reference_has_every_call(site: Path) -> None:
    from apps.api.openapi import operations

    for operation in operations():
        page = (site / "rest" / f"{operation.tag}.html").read_text("utf-8")
        assert f'id="{operation.id.lower()}"' in page, operation.id
