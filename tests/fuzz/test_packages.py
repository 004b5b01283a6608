"""What names packages: imports, `requires`, manifests, specifications of archives; their paths."""

from __future__ import annotations

import gzip
import io
import json
import posixpath
import re
import tarfile

from hypothesis import example, given
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement, Requirement

from apps.core.errors import ApiError
from apps.runs.contract import check_path
from tests.fuzz.texts import ANY, JSON_TEXT
from workers import archives
from workers.runtime.packages.imports import packages_of, requires_of, split
from workers.runtime.packages.manifest import (
    declared_versions,
    npm_manifest,
    pip_manifest,
    versioned,
)
from workers.runtime.packages.refusal import Refused

_PIECES = st.sampled_from(
    [
        *(
            "npm:",
            "@",
            "@scope/",
            "/",
            "..",
            ".",
            "a",
            "B-c_d",
            "node_modules",
            "__proto__",
            "latest",
        ),
        *("^1.2", "~1", ">=1 <2", "*", " ", "||", "\n", "\x00", "%2e", "\\", "git+ssh://", "file:"),
        *(
            "http://",
            "jsr:",
            "workspace:",
            "link:",
            "é",
            "#",
            "?",
            ":",
            "x" * 215,
            "-",
            "--",
            "$(a)",
        ),
    ]
)
SPECIFIERS = st.lists(_PIECES | st.text(max_size=2), max_size=6).map("".join)
_SCHEMES = re.compile(r"git|file|http|link|workspace|/|:|\\")


def _inside(path: str) -> bool:
    whole = posixpath.normpath(posixpath.join("/top", path))
    return whole.startswith("/top/") and whole == posixpath.join("/top", path)


@given(
    ANY | SPECIFIERS, JSON_TEXT | SPECIFIERS.map(lambda v: json.dumps({"dependencies": {"a": v}}))
)
@example("x@ ", "{}")
@example("npm:x@git+ssh", "{}")
@example("a", "[" * 100_000)
@example("a", '{"dependencies": {"a": "npm:evil@1"}}')
@example("a", '{"dependencies": {"a": "\\ud800"}}')
def test_any_import_is_a_package_of_the_registry_or_refused(text: str, beside: str) -> None:
    try:
        package = split(text)
        manifest = npm_manifest([package], declared_versions(beside))
    except Refused as refused:
        refused.error.message.encode(errors="surrogatepass")
        return
    assert re.fullmatch(r"(@[\w.~-]+/)?[\w.~-]+", package.name, re.ASCII)
    assert _inside(package.name)
    assert split(package.written) == package, "a second pass changes nothing"
    [(name, wanted)] = json.loads(manifest)["dependencies"].items()
    version = wanted.removeprefix(f"npm:{package.name}@")
    assert version
    assert not _SCHEMES.search(version) or version == "git+ssh", version
    assert manifest.isascii()
    for written, alias in versioned(manifest).items():
        assert _inside(written)
        assert written == f"{package.name}@{package.version}"
        assert alias == name


@given(st.lists(ANY | SPECIFIERS, max_size=4))
def test_any_graph_gives_packages_or_is_refused(specifiers: list[str]) -> None:
    graph = {
        "modules": [
            {"dependencies": [{"specifier": s, "code": {"error": "x"}} for s in specifiers]},
            {"dependencies": specifiers, "error": specifiers},
        ]
    }
    try:
        found = packages_of(graph)
    except Refused:
        return
    assert len(found) == len(set(found)) <= len(specifiers)


_REQUIREMENTS = st.lists(
    st.sampled_from(
        [
            *(
                "a",
                "B.c_d",
                "[x,y]",
                ">=1",
                ",<2",
                "===1",
                "; os_name == 'x'",
                " and ",
                "(",
                ")",
                "@ ",
            ),
            *(
                "https://a.example/x.whl",
                "--pre",
                "-r x",
                "\n",
                "\r",
                "\x0b",
                "\x85",
                "\u2028",
                "#",
                '"',
            ),
            *(
                "'",
                "${HOME}",
                "\\",
                "; python_version > '3'",
                "==1.0+local",
                " ",
                "~=1.0",
                "!=2",
                "1",
            ),
        ]
    )
    | st.text(max_size=2),
    max_size=7,
).map("".join)


@given(st.lists(_REQUIREMENTS | ANY, max_size=3))
@example(["a; os_name == '\x0b--pre'"])
@example(["a; os_name == '\x85-r x'"])
@example(["a; " + "(" * 5000])
@example(["a\\"])
def test_any_requires_is_a_file_of_requirements_alone_or_refused(requires: list[str]) -> None:
    """As pip reads it: it takes any end of a line that Python knows for one."""
    try:
        manifest = pip_manifest(requires)
    except Refused:
        return
    lines = manifest.splitlines()
    assert len(lines) <= len(requires)
    for line in lines:
        read = Requirement(line)
        assert read.url is None
        assert not line.startswith("-")
        assert not line.endswith("\\")
        assert " #" not in line.partition(";")[0]
    assert pip_manifest(lines) == manifest, "a second pass changes nothing"
    for text in requires:
        assert canonical(text) in {Requirement(line).name.lower() for line in lines}


def canonical(text: str) -> str:
    try:
        return re.sub(r"[-_.]+", "-", Requirement(text).name).lower()
    except InvalidRequirement:
        raise AssertionError(f"{text!r} is no requirement to packaging") from None


@given(ANY | st.builds("class A:\n requires = {}\n".format, ANY | JSON_TEXT))
@example("class A:\n requires = " + "[" * 3000)
@example("class A:\n requires = ['\ud800']")
def test_reading_requires_executes_nothing_and_any_code_has_some(text: str) -> None:
    try:
        found = requires_of(text)
    except Refused:
        return
    assert all(isinstance(item, str) for item in found)


@given(ANY | SPECIFIERS)
@example("a@1\n")
@example("@a/b@1/../..")
def test_any_specification_is_a_package_and_a_version_or_422(text: str) -> None:
    try:
        name, version = archives.parse(text)
    except ApiError as refused:
        assert refused.status == 422
        return
    assert re.fullmatch(r"(@[a-z0-9._~-]+/)?[a-z0-9._~-]+", name)
    assert re.fullmatch(r"[\w.+-]+", version)
    assert archives.parse(f"{name}@{version}") == (name, version)


_PATHS = st.lists(
    st.sampled_from(
        ["/", "..", ".", "a", "b.js", "node_modules", "\\", "\x00", "\n", "package/", "é"]
    )
    | st.text(max_size=2),
    max_size=8,
).map("".join)


@given(ANY | _PATHS)
@example("a" * 300)
@example("\ud800")
@example("../a")
@example("a/../../b")
@example("a/node_modules/b")
@example("a//b")
def test_any_path_stays_inside_or_is_refused(path: str) -> None:
    try:
        check_path(path)
    except ValueError:
        return
    assert _inside(path)
    assert "node_modules" not in path.split("/")
    path.encode()


_KINDS = st.sampled_from(
    [tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE]
)
_MEMBERS = st.lists(
    st.tuples(_PATHS.map("package/{}".format) | _PATHS, _KINDS, st.binary(max_size=40)), max_size=4
)


@given(_MEMBERS, st.integers(0, 4000), st.integers(0, 255), st.booleans())
def test_any_archive_gives_texts_at_paths_inside_or_422(
    members: list[tuple[str, bytes, bytes]], at: int, byte: int, broken: bool
) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, kind, data in members:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = kind, len(data), "../../etc/passwd"
            archive.addfile(member, io.BytesIO(data))
    raw = bytearray(buffer.getvalue())
    if broken:
        raw[at % len(raw)] = byte
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, compresslevel=1) as file:
        file.write(raw)
    try:
        found = archives.unpack(packed.getvalue())
    except ApiError as refused:
        assert refused.status == 422
        refused.message.encode()
        return
    assert all(map(_inside, found))
    assert "".join(found.values()).encode() is not None
