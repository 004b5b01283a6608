"""The forms of a component's URL (REST specification 5.2), and what a relative import means."""

from __future__ import annotations

import pytest

from apps.components.locations import RAW, candidates, locate, relative
from apps.core.addresses import BadUrl

LEFT_OUT = ["c.js", "c.json", "c.ts", "c.mjs", "c.cjs"]
GIST = "https://gist.githubusercontent.com/ada/0123abcdef/raw"


@pytest.mark.parametrize(
    ("url", "fetched", "root", "path"),
    [
        # The seed's own example: short, of the default branch.
        (
            "https://github.com/PipedreamHQ/pipedream/components/rss/rss.js",
            f"{RAW}/PipedreamHQ/pipedream/HEAD/components/rss/rss.js",
            f"{RAW}/PipedreamHQ/pipedream/HEAD/",
            "components/rss/rss.js",
        ),
        (
            "https://github.com/o/r/blob/v1/a/b.ts",
            f"{RAW}/o/r/v1/a/b.ts",
            f"{RAW}/o/r/v1/",
            "a/b.ts",
        ),
        ("https://www.github.com/o/r/raw/v1/b.py", f"{RAW}/o/r/v1/b.py", f"{RAW}/o/r/v1/", "b.py"),
        ("https://github.com/o/r/tree/v1/b.py", f"{RAW}/o/r/v1/b.py", f"{RAW}/o/r/v1/", "b.py"),
        (
            "https://github.com/o/r/blob/refs/heads/x/a.js",
            f"{RAW}/o/r/refs/heads/x/a.js",
            f"{RAW}/o/r/refs/heads/x/",
            "a.js",
        ),
        (f"{RAW}/o/r/v1/a/b%20c.js", f"{RAW}/o/r/v1/a/b%20c.js", f"{RAW}/o/r/v1/", "a/b c.js"),
        (
            f"{RAW}/o/r/refs/tags/1/a.js?token=T",
            f"{RAW}/o/r/refs/tags/1/a.js?token=T",
            f"{RAW}/o/r/refs/tags/1/",
            "a.js",
        ),
        ("https://gist.github.com/ada/0123abcdef", GIST, f"{GIST}/", "component.js"),
        (
            "https://gist.github.com/ada/0123abcdef/raw/a.mjs",
            f"{GIST}/a.mjs",
            f"{GIST}/",
            "a.mjs",
        ),
        (f"{GIST}/9876543210/a.js", f"{GIST}/9876543210/a.js", f"{GIST}/9876543210/", "a.js"),
        (
            "https://example.org/a/b.py",
            "https://example.org/a/b.py",
            "https://example.org/",
            "a/b.py",
        ),
        (
            "HTTPS://EXAMPLE.org:443/b.js",
            "https://example.org/b.js",
            "https://example.org/",
            "b.js",
        ),
        ("http://example.org:81/b", "http://example.org:81/b", "http://example.org:81/", "b.js"),
        (
            "https://example.org/b?id=3",
            "https://example.org/b?id=3",
            "https://example.org/",
            "b.js",
        ),
    ],
)
def test_5_2_o15_forms_of_urls(url: str, fetched: str, root: str, path: str) -> None:
    location = locate(url)
    assert (location.url, location.root, location.path) == (fetched, root, path)


@pytest.mark.parametrize(
    ("url", "language"),
    [("a.py", "python"), ("a.TS", "javascript"), ("a.mjs", "javascript"), ("a.js", "javascript")],
)
def test_q7_the_ending_tells_the_language(url: str, language: str) -> None:
    assert locate(f"https://example.org/{url}").language == language


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "https://", "https://u:p@example.org/a.js", "example.org/a.js",
        "https://example.org", "https://example.org/", "https://example.org/a/", "https://github.com",
        "https://github.com/o/r", "https://github.com/o/r/blob", "https://github.com/o/r/blob/v1",
        "https://github.com/../r/a.js", "https://github.com/o/%2e%2e/a.js",
        "https://github.com/o/r/blob/%2e%2e/a.js", "https://gist.github.com/ada",
        "https://gist.github.com/ada/0123abcdef#file-a-js", "https://gist.github.com/ada/a.js",
        "https://example.org/../a.js", "https://example.org/%2e%2e/a.js",
        "https://example.org/a%2fb.js", "https://example.org/a%00.js", "https://example.org/%ff.js",
        "https://example.org/node_modules/a.js", "https://example.org/" + "a/" * 17 + "a.js",
    ],
)  # fmt: skip
def test_5_2_urls_that_are_none_of_a_component(url: str) -> None:
    with pytest.raises(BadUrl):
        locate(url)


def test_files_of_the_tree_have_urls_below_its_root() -> None:
    location = locate("https://github.com/o/r/blob/v1/a/b.js")
    assert location.url_of("a/c d#.js") == f"{RAW}/o/r/v1/a/c%20d%23.js"


@pytest.mark.parametrize(
    ("specifier", "is_relative"),
    [("./a", True), ("../a", True), (".", True), ("..", True), ("../", True),
     ("axios", False), ("@a/b", False), ("/a", False), (".a", False), ("...", False),
     ("node:fs", False), ("https://example.org/a.js", False), ("", False)],
)  # fmt: skip
def test_relative(specifier: str, is_relative: bool) -> None:
    assert relative(specifier) is is_relative


@pytest.mark.parametrize(
    ("importer", "specifier", "paths"),
    [
        (
            "components/x/sources/n.js",
            "../x.app.js",
            ["components/x/x.app.js", "components/x/x.app.ts"],
        ),
        ("a/b.js", "./c.json", ["a/c.json"]),
        ("a/b.mjs", "./c.mjs?v=1", ["a/c.mjs", "a/c.mts"]),
        ("b.js", "./c", [*LEFT_OUT, "c/index.js", "c/index.json", "c/index.ts"]),
        (
            "b.js",
            "./c.app",
            [
                "c.app",
                *(path.replace("c.", "c.app.") for path in LEFT_OUT),
                "c.app/index.js",
                "c.app/index.json",
                "c.app/index.ts",
            ],
        ),
        ("a/b.js", ".", ["a/index.js", "a/index.json", "a/index.ts"]),
        ("a/b.js", "..", ["index.js", "index.json", "index.ts"]),
        ("a/b.js", "./c/", ["a/c/index.js", "a/c/index.json", "a/c/index.ts"]),
    ],
)
def test_what_a_relative_import_may_mean(importer: str, specifier: str, paths: list[str]) -> None:
    assert candidates(importer, specifier) == paths


@pytest.mark.parametrize(
    ("importer", "specifier"),
    [("a.js", "../b.js"), ("a/b.js", "../../c.js"), ("a.js", ".."), ("a.js", "./%2e%2e/b.js"),
     ("a.js", "./node_modules/b.js"), ("a.js", "./b\\c.js"), ("a.js", "./b\x00.js"),
     ("a.js", "./" + "a/" * 20 + "b.js")],
)  # fmt: skip
def test_an_import_stays_in_its_tree(importer: str, specifier: str) -> None:
    with pytest.raises(ValueError):
        candidates(importer, specifier)
