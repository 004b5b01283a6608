"""What of a published package may be a component, and which files go with it."""

from __future__ import annotations

import pytest

from apps.components.published import entries, tree

FILES = {
    "package.json": "{}",
    "components/x/package.json": '{"name": "x"}',
    "components/x/x.app.js": "",
    "components/x/sources/common.js": "",
    "components/x/sources/new/new.js": "",
    "components/x/sources/new/README.md": "",
    "components/x/actions/do/do.js": "",
    "components/y/sources/old.js": "",
    "components/y/y.app.js": "",
    "index.js": "",
}
IMPORTS = {
    "components/x/sources/new/new.js": ["../common", "axios", "../../../../../outside.js"],
    "components/x/sources/common.js": ["../x.app.js", "./new/new.js", "./missing"],
    "components/y/sources/old.js": ["lodash"],
}


def test_a_package_of_the_originals_shape() -> None:
    assert entries(list(FILES)) == [
        "components/x/sources/common.js",
        "components/x/sources/new/new.js",
        "components/y/sources/old.js",
    ]


@pytest.mark.parametrize(
    ("path", "may_be"),
    [
        ("a.js", True), ("b/c.py", True), ("b/c.ts", True), ("b/c.mjs", True),
        ("_shared.py", False), (".hidden/a.js", False), ("a.app.mjs", False), ("a.d.ts", False),
        ("tests/a.js", False), ("a.test.js", False), ("node_modules/a/index.js", False),
        ("README.md", False), ("package.json", False),
    ],
)  # fmt: skip
def test_any_other_folder(path: str, may_be: bool) -> None:
    assert entries([path]) == ([path] if may_be else [])


def test_what_goes_with_a_component_is_what_it_needs() -> None:
    assert set(tree("components/x/sources/new/new.js", FILES, IMPORTS)) == {
        "components/x/sources/common.js",
        "components/x/x.app.js",
        "components/x/package.json",  # the nearest
    }
    assert set(tree("components/y/sources/old.js", FILES, IMPORTS)) == {"package.json"}


def test_modules_beside_a_component_in_python() -> None:
    files = {
        "a/feed.py": "from headwater import Source\nfrom _shared import X\nimport os, helper\n",
        "a/_shared.py": "  import deeper",
        "a/deeper.py": "",
        "a/helper.py": "",
        "_shared.py": "",
    }
    assert set(tree("a/feed.py", files, {})) == {"a/_shared.py", "a/deeper.py"}
