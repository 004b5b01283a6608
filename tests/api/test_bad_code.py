"""Code that is refused when it is created, in both languages: the table "Component code" of
docs/bad-inputs.md, at the level of who calls the API. Real children load the code.

What is refused when code runs is in tests/runtime/test_bad_runs.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.components.models import Component
from apps.sources.models import Source
from tests.api.conftest import Api, assert_error, body_of
from tests.api.worker import Worker, running
from tests.hosts import RAW, Hosts
from tests.packages.registry import Registry, Serving

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("told")]

VERSION = "exports.version = require('./package.json').version;"
TREE = f"https://{RAW}/who/repository/main"


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with Serving() as serving:
        serving.npm("native", "1.0.0", {"index.js": VERSION, "build/x.node": b"\x7fELF"})
        serving.pip("unused", "1.0", {"unused.py": ""})
        yield serving


@pytest.fixture(scope="module")
def started(directory: Path, hosts: Hosts) -> Iterator[Worker]:
    with running(Worker(directory, hosts, load_timeout_s=5.0)) as worker:
        yield worker


def python(inside: str = "    def run(self): pass", before: str = "", name: str = "'A'") -> str:
    head = f"from headwater import *\n{before}\nclass A(Source):\n    name = {name}\n"
    return f"{head}{inside}\n"


def javascript(inside: str = "run() {}", before: str = "") -> str:
    return f'{before}\nmodule.exports = {{ name: "A", {inside} }};'


RUN = "    def run(self): pass\n"
COLOUR = "from headwater._props import Prop\nclass Colour(Prop):\n    type_name = 'colour'"

# Row of the table → for each language (code, code of the error, what its text names).
Case = tuple[str, str, str]
REFUSED: dict[str, dict[str, Case]] = {
    "no run": {
        "python": (python("    x = 1"), "load_failed", "no run method"),
        "javascript": (javascript("x: 1"), "load_failed", "no run function"),
    },
    "bad prop type": {
        "python": (python(f"{RUN}    x = Colour()", COLOUR), "invalid_parameter", "props.x"),
        "javascript": (
            javascript("props: { x: { type: 'colour' } }, run() {}"),
            "invalid_parameter",
            "props.x: 'colour'",
        ),
    },
    "prop that is no prop": {
        "python": (python(f"{RUN}    x = StringProp(min=1)"), "load_failed", "min"),
        "javascript": (javascript("props: { x: 3 }, run() {}"), "load_failed", 'prop "x"'),
    },
    "bad dedupe": {
        "python": (python(f"{RUN}    dedupe = 'first'"), "load_failed", "dedupe"),
        "javascript": (javascript("dedupe: 'first', run() {}"), "invalid_parameter", "dedupe"),
    },
    "type action": {
        "python": (python(f"{RUN}    type = 'action'"), "invalid_parameter", "type"),
        "javascript": (javascript("type: 'action', run() {}"), "invalid_parameter", "type"),
    },
    "name of a reserved prop": {
        "python": (python(f"{RUN}    constructor = StringProp()"), "invalid_parameter", "props."),
        "javascript": (
            javascript("props: { constructor: 'string' }, run() {}"),
            "invalid_parameter",
            "props.constructor",
        ),
    },
    "endless loop while loading": {
        "python": (python(before="while True: pass"), "load_timeout", "5 s"),
        "javascript": (javascript(before="for (;;);"), "load_timeout", "5 s"),
    },
    "exit while loading": {
        "python": (python(before="import os\nos._exit(0)"), "load_failed", "status 0"),
        "javascript": (javascript(before="process.exit(0);"), "load_failed", "status 0"),
    },
    "crash while loading": {
        "python": (
            python(before="import ctypes\nctypes.string_at(0)"), "load_failed", "SIGSEGV",
        ),
        "javascript": (javascript(before="process.abort();"), "load_failed", "SIG"),
    },
    "error while loading": {
        "python": (python(before="1 / 0"), "load_failed", "division by zero"),
        "javascript": (javascript(before="null.x;"), "load_failed", "of null"),
    },
    "unknown import": {
        "python": (python(before="import nowhere_to_be_had"), "load_failed", "nowhere_to_be_had"),
        "javascript": (
            javascript(before="require('nowhere-to-be-had');"),
            "package_not_found",
            "nowhere-to-be-had",
        ),
    },
    "undeclared import": {
        # It is in the registry, and the component does not require it.
        "python": (python(before="import unused"), "load_failed", "unused"),
        "javascript": (javascript(before="require('./other');"), "load_failed", "./other"),
    },
    "git+ dependency": {
        "python": (
            python(f"{RUN}    requires = ['x @ git+https://a.example/x']"), "bad_import", "x @ git",
        ),
        "javascript": (
            javascript(before="require('git+https://example.org/x');"), "bad_import", "git+https",
        ),
    },
    "file: dependency": {
        "python": (
            python(f"{RUN}    requires = ['x @ file:///etc/passwd']"), "bad_import", "file:///etc",
        ),
        "javascript": (
            javascript(before="require('file:///etc/passwd');"), "bad_import", "file:///etc",
        ),
    },
    "http: dependency": {
        "python": (
            python(f"{RUN}    requires = ['http://example.org/x.whl']"), "bad_import", "http://exa",
        ),
        "javascript": (
            javascript(before="import('http://example.org/x.js');"), "bad_import", "http://exa",
        ),
    },
    "half a surrogate pair in an import": {
        "python": (python(f"{RUN}    requires = ['\\ud800']"), "bad_import", "requires"),
        "javascript": (javascript(before="require('\\ud800');"), "bad_import", "cannot import"),
    },
    "NUL in an import": {
        "python": (python(f"{RUN}    requires = ['a\\0b']"), "bad_import", "requires"),
        "javascript": (javascript(before="require('a\\0b');"), "bad_import", "cannot import"),
    },
    "half a surrogate pair in an error": {
        "python": (python(before="raise OSError('\\ud800 lost')"), "load_failed", "lost"),
        "javascript": (javascript(before="throw Error('\\ud800 lost');"), "load_failed", "lost"),
    },
    "NUL in a name": {
        "python": (python(name="'a\\0b'"), "load_failed", "NUL"),
        "javascript": (javascript("name: 'a\\0b', run() {}"), "load_failed", "NUL"),
    },
    "NUL in a label": {
        "python": (python(f"{RUN}    x = StringProp(label='\\0')"), "invalid_parameter", "props.x"),
        "javascript": (
            javascript("props: { x: { type: 'string', label: '\\0' } }, run() {}"),
            "invalid_parameter",
            "props.x",
        ),
    },
    "native add-on": {
        "javascript": (
            javascript(before="require('native');"), "package_refused", "native/build/x.node",
        ),
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("row", "language"), [(row, language) for row, cases in REFUSED.items() for language in cases]
)
def test_code_is_refused_and_nothing_is_kept(
    alice: Api, worker: Worker, row: str, language: str
) -> None:
    code, slug, named = REFUSED[row][language]
    body = {"component_code": code, "language": language}
    error = assert_error(alice.call("POST", "/sources", body), 400, code=slug)
    assert named in error["error"]
    assert not Component.objects.exists()
    assert not Source.objects.exists()


@pytest.mark.parametrize(
    ("language", "code", "place"),
    [
        ("python", python("    def run(self:\n        pass"), (5, 12)),
        ("javascript", 'module.exports = {\n  name: "A" run() {} };', (2, 13)),
        (None, "{{ neither", (1, None)),
    ],
    ids=["python", "javascript", "neither"],
)
def test_a_syntax_error_is_400_with_line_and_column(
    alice: Api, worker: Worker, language: str | None, code: str, place: tuple[int, int | None]
) -> None:
    body = {"component_code": code} | ({"language": language} if language else {})
    error = assert_error(alice.call("POST", "/components", body), 400, code="syntax_error")
    line, column = place
    assert error["details"]["line"] == line
    assert column in (None, error["details"]["column"])
    assert error["details"]["column"] > 0
    assert f"line {line}" in error["error"]


@pytest.mark.parametrize("language", ["python", "javascript"])
def test_code_over_one_mebibyte_is_413(alice: Api, language: str) -> None:
    comment = "#" if language == "python" else "//"
    code = comment + "x" * 1024 * 1024
    for path in ("/components", "/sources"):
        response = alice.call("POST", path, {"component_code": code, "language": language})
        assert_error(response, 413, code="too_large")


def test_a_bundle_over_8_mebibytes_is_413(alice: Api, worker: Worker, hosts: Hosts) -> None:
    """Code that brings files along comes from a URL."""
    hosts.serve(RAW, "/who/repository/main/a.js", "".join(f"require('./{n}');" for n in range(9)))
    for n in range(9):
        hosts.serve(RAW, f"/who/repository/main/{n}.js", "//" + "x" * 1_000_000)
    response = alice.call("POST", "/components", {"component_url": f"{TREE}/a.js"})
    error = assert_error(response, 413, code="too_large")
    assert error["details"]["parameter"] == "component_url"


@pytest.mark.parametrize("path", ["../../../../etc/passwd", "./%2e%2e/x", "./node_modules/x"])
def test_a_path_that_leaves_the_bundle_is_400(
    alice: Api, worker: Worker, hosts: Hosts, path: str
) -> None:
    hosts.serve(RAW, "/who/repository/main/a.js", f"require('{path}'); {javascript()}")
    response = alice.call("POST", "/components", {"component_url": f"{TREE}/a.js"})
    assert_error(response, 400, parameter="component_url")
    assert not Component.objects.exists()


def test_a_dependency_in_the_package_json_beside_the_code_is_checked_too(
    alice: Api, worker: Worker, hosts: Hosts
) -> None:
    hosts.serve(RAW, "/who/repository/main/p/a.js", javascript(before="require('x');"))
    for version in ("git+https://example.org/x", "file:../x", "http://example.org/x.tgz"):
        manifest = f'{{"dependencies": {{"x": "{version}"}}}}'
        hosts.serve(RAW, "/who/repository/main/p/package.json", manifest)
        response = alice.call("POST", "/components", {"component_url": f"{TREE}/p/a.js"})
        error = assert_error(response, 400, code="bad_import")
        assert version in error["error"]


@pytest.mark.parametrize(
    "manifest",
    ["[" * 100_000, '{"a": ' * 5000, "{", "null", "9" * 5000],
    ids=["brackets", "objects", "cut short", "null", "digits"],
)
def test_a_package_json_that_cannot_be_read_declares_nothing(
    alice: Api, worker: Worker, hosts: Hosts, manifest: str
) -> None:
    hosts.serve(RAW, "/who/repository/main/q/a.js", javascript(before="require('nowhere');"))
    hosts.serve(RAW, "/who/repository/main/q/package.json", manifest)
    response = alice.call("POST", "/components", {"component_url": f"{TREE}/q/a.js"})
    assert_error(response, 400, code="package_not_found")


@pytest.mark.parametrize("language", ["python", "javascript"])
def test_an_install_script_is_not_run(
    alice: Api, worker: Worker, registry: Registry, directory: Path, language: str
) -> None:
    """npm's scripts are switched off; of Python, what would need one is not taken at all."""
    script = "touch marker"
    scripts = dict.fromkeys(("preinstall", "install", "postinstall", "prepare"), script)
    registry.npm("scripted", "1.0.0", {"index.js": VERSION}, scripts=scripts)
    registry.sdist("scripted", "1.0", {"setup.py": "open('marker', 'w')"})
    code = {
        "python": python(f"{RUN}    requires = ['scripted']"),
        "javascript": javascript(before="require('scripted');"),
    }[language]
    response = alice.call("POST", "/components", {"component_code": code, "language": language})
    if language == "python":
        assert_error(response, 400, code="package_not_found")
    else:
        assert body_of(response)["data"]["name"] == "A"
    assert not list(directory.rglob("marker"))
