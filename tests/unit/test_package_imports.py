"""From what code imports to what a package manager is asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workers.runtime.packages.imports import Package, packages_of, requires_of, split
from workers.runtime.packages.manifest import (
    declared_versions,
    npm_manifest,
    pip_manifest,
    versioned,
)
from workers.runtime.packages.refusal import Refused


@pytest.mark.parametrize(
    ("specifier", "name", "version", "written"),
    [
        ("axios", "axios", "", "axios"),
        ("lodash.get", "lodash.get", "", "lodash.get"),
        ("axios/lib/core", "axios", "", "axios"),
        ("axios@0.21.1", "axios", "0.21.1", "axios@0.21.1"),
        ("axios@0.21.1/lib/core", "axios", "0.21.1", "axios@0.21.1"),
        ("axios@^1 || ^2", "axios", "^1 || ^2", "axios@^1 || ^2"),
        ("axios@next", "axios", "next", "axios@next"),
        ("@scope/x", "@scope/x", "", "@scope/x"),
        ("@scope/x/sub/path", "@scope/x", "", "@scope/x"),
        ("@scope/x@1.2/sub", "@scope/x", "1.2", "@scope/x@1.2"),
        ("npm:axios@1.2", "axios", "1.2", "npm:axios@1.2"),
        ("npm:/axios@1.2/lib", "axios", "1.2", "npm:axios@1.2"),
        ("JSONStream", "JSONStream", "", "JSONStream"),
    ],
)
def test_specifiers(specifier: str, name: str, version: str, written: str) -> None:
    assert split(specifier) == Package(name, version, written)


@pytest.mark.parametrize(
    "specifier",
    [
        "", "@", "@scope", "a b", "..x/../y@", "axios@", "https://x/y", "git+ssh://x", "file:x",
        "jsr:@a/b",
        "github:a/b", "axios@git+https://x", "axios@file:x", "axios@http://x", "%2e%2e", "a\nb",
        "x" * 215, ".hidden", "npm:", "axios@1\0",
    ],
)  # fmt: skip
def test_what_is_no_package(specifier: str) -> None:
    with pytest.raises(Refused):
        split(specifier)


def graph(*dependencies: Any) -> dict[str, Any]:
    return {"modules": [{"specifier": "file:///a.js", "dependencies": list(dependencies)}]}


def told(specifier: str, resolved: str | None = None) -> dict[str, Any]:
    code = {"error": "not a dependency"} if resolved is None else {"specifier": resolved}
    return {"specifier": specifier, "code": code}


def test_a_graph() -> None:
    found = packages_of(
        graph(
            told("b"), told("a@1"), told("b"), told("./c", "file:///c"), told("../d"),
            told("fs", "node:fs"), told("node:util", "node:util"),
            {"specifier": "types-only", "type": {"error": "not a dependency"}},
        )
    )  # fmt: skip
    assert [package.written for package in found] == ["b", "a@1"]


@pytest.mark.parametrize(
    "answer", [None, [], {}, {"modules": [None, {"dependencies": [1, {"code": {}}]}]}]
)
def test_an_answer_of_another_shape_has_none(answer: Any) -> None:
    assert packages_of(answer) == []


def test_too_many() -> None:
    with pytest.raises(Refused, match="50"):
        packages_of(graph(*(told(f"p{n}") for n in range(51))))


def test_a_manifest_says_the_same_however_it_was_written_down() -> None:
    packages = [split(text) for text in ("b", "a@1", "npm:a@1", "a", "c@2/x")]
    one = npm_manifest(packages, {"b": "^3.0.0", "a": "latest", "unused": "git+ssh://x"})
    assert one == npm_manifest(packages[::-1], {"b": "^3.0.0"})
    assert json.loads(one)["dependencies"] == {
        "a": "latest", "b": "^3.0.0", "hw-1": "npm:a@1", "hw-2": "npm:c@2",
    }  # fmt: skip
    assert versioned(one) == {"a@1": "hw-1", "c@2": "hw-2"}


@pytest.mark.parametrize("version", ["git+ssh://x", "file:../x", "http://x/y.tgz", "a/b", 7, None])
def test_a_declared_version_that_is_none(version: Any) -> None:
    with pytest.raises(Refused, match="a"):
        npm_manifest([split("a")], {"a": version})


@pytest.mark.parametrize(
    "text",
    [None, "", "[]", "{", '{"dependencies": 1}', '"x"', pytest.param("[" * 100_000, id="deep")],
)
def test_a_package_json_that_says_nothing(text: str | None) -> None:
    assert declared_versions(text) == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("class A:\n    requires = ['a>=1', 'b']\n", ["a>=1", "b"]),
        ("class A:\n    requires: list[str] = ('a',)\n", ["a"]),
        ("class A:\n    requires = []\nclass B:\n    requires = ['b']\n", ["b"]),
        ("requires = ['no class']\n", []),
        ("class A:\n    def f(self):\n        requires = ['a']\n", []),
        ("class A(:\n", []),
        ("class A:\n    requires: list[str]\n", []),
    ],
)
def test_requires(text: str, found: list[str]) -> None:
    assert requires_of(text) == found


@pytest.mark.parametrize("value", ["f()", "'a'", "[1]", "{'a'}", "['a', f()]", "['a'] + x", "None"])
def test_a_requires_that_is_no_literal_list(value: str) -> None:
    with pytest.raises(Refused, match="requires"):
        requires_of(f"class A:\n    requires = {value}\n")


def test_a_requirements_file() -> None:
    found = pip_manifest(["B_c >=1, <2", "a[x,y]", "b-c<2,>=1", 'd; python_version > "3"'])
    assert found == 'a[x,y]\nb-c<2,>=1\nd; python_version > "3"\n'


@pytest.mark.parametrize(
    "text",
    [
        "", "-r x", "--pre", "a @ file:///x", "./a", "a\n--pre", "a b",
        # pip reads another line after each of these, so that an option could stand there.
        "a; os_name == '\x0b--pre'", "a; os_name == '\x85--pre'", "a; os_name == '\u2028--pre'",
        pytest.param("a; " + "(" * 5000, id="deep"),
    ],
)  # fmt: skip
def test_what_is_no_requirement(text: str) -> None:
    with pytest.raises(Refused, match="requires"):
        pip_manifest([text])
