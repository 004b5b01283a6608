"""Packages as a registry serves them: honest ones, and those that do what packages should not."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import AsyncIterator, Iterator

import orjson
import pytest

from apps.core.addresses import Policy
from apps.core.errors import ApiError
from apps.core.http import Client
from tests.packages.registry import Archive, Link, Registry, Serving, tarball
from workers import archives
from workers.archives import download, login, parse, unpack


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with Serving() as serving:
        serving.npm("published", "1.0.0", {"components/a/sources/a.js": "1"})
        serving.npm("published", "1.1.0", {"components/a/sources/a.js": "2", "bin": b"\0\1"})
        serving.npm("@scope/published", "2.0.0", {"b.js": "3"})
        yield serving


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    made = Client(Policy(["127.0.0.1/32"]), seconds=20)
    yield made
    await made.close()


async def refused(spec: str, registry: Registry, client: Client) -> str:
    with pytest.raises(ApiError) as error:
        await download(spec, registry.address, client, {})
    assert (error.value.status, error.value.code) == (422, "fetch_failed")
    return error.value.message


async def test_a_version_the_newest_and_one_with_a_scope(
    registry: Registry, client: Client
) -> None:
    old = await download("published@1.0.0", registry.address, client, {})
    assert (old.name, old.version) == ("published", "1.0.0")
    assert old.files["components/a/sources/a.js"] == "1"
    assert set(old.files) == {"components/a/sources/a.js", "package.json"}
    new = await download("published", registry.address, client, {})
    assert (new.version, new.files["components/a/sources/a.js"]) == ("1.1.0", "2")
    assert "bin" not in new.files, "what is no text is left out"
    assert (
        await download("@scope/published@2.0.0", registry.address, client, {})
    ).version == "2.0.0"


async def test_what_is_not_there(registry: Registry, client: Client) -> None:
    assert "does not know it" in await refused("nothing", registry, client)
    assert "no version 9.9.9" in await refused("published@9.9.9", registry, client)
    away = Client(Policy(), seconds=20)
    assert "blocked_address" in await refused("published", registry, away)
    await away.close()


async def test_an_archive_that_is_not_what_was_announced(client: Client) -> None:
    with Serving() as registry:
        registry.npm("swapped", "1.0.0", {"a.js": "1"})
        registry.answers["/files/swapped-1.0.0.tgz"] = ("x/y", tarball({"a.js": "2"}))
        assert "not what its registry announced" in await refused("swapped", registry, client)
        for dist in ({"integrity": "", "shasum": "0" * 40}, {"integrity": "md5-x"}, {}):
            versions = {"1.0.0": {"dist": {"tarball": f"{registry.address}/files/x.tgz", **dist}}}
            document = orjson.dumps({"versions": versions})
            registry.answers["/x"] = ("application/json", document)
            registry.answers["/files/x.tgz"] = ("x/y", tarball({"a.js": "1"}))
            assert "not what" in await refused("x@1.0.0", registry, client)


async def test_a_registry_that_answers_nonsense(client: Client) -> None:
    with Serving() as registry:
        for answer in (b"", b"[]", b"{}", b'{"versions": 7}', b'{"versions": {"1.0.0": {}}}'):
            registry.answers["/x"] = ("application/json", answer)
            await refused("x@1.0.0", registry, client)


def archive(*entries: tuple[str, bytes, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as made:
        for name, kind, data in entries:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = kind, len(data), "../../etc/passwd"
            made.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    # Named by hand: an archive holds the time of its making, and the processes of a test run must
    # agree on the names of the tests.
    [
        pytest.param(data, id=name)
        for name, data in {
            "symbolic link": tarball({"a.js": Link("/etc/passwd")}),
            "hard link": archive(("package/a.js", tarfile.LNKTYPE, b"")),
            "pipe": archive(("package/a", tarfile.FIFOTYPE, b"")),
            "parent folder": archive(("package/../../a.js", tarfile.REGTYPE, b"1")),
            "root folder": archive(("package//etc/a.js", tarfile.REGTYPE, b"1")),
            "backslash": archive(("package/a\\b.js", tarfile.REGTYPE, b"1")),
            "too deep": archive(("package/" + "a/" * 40 + "b.js", tarfile.REGTYPE, b"1")),
            "no folder": archive(("package", tarfile.REGTYPE, b"1")),
            "nothing": b"",
            "no archive": b"no archive",
            "cut short": tarball({"a.js": "1"})[:-20],
            "no archive, compressed": gzip.compress(b"no archive either" * 100),
        }.items()
    ],
)
def test_archives_that_are_refused(data: bytes) -> None:
    with pytest.raises(ApiError) as error:
        unpack(data)
    assert error.value.status == 422


def test_an_archive_that_grows_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "UNPACKED_BYTES", 100_000)
    monkeypatch.setattr(archives, "FILES", 50)
    huge: Archive = {"a": "x" * 200_000}
    large: Archive = {f"{n}": "x" * 50_000 for n in range(3)}
    many: Archive = {f"{n}": "" for n in range(51)}
    for files in (huge, large, many):
        with pytest.raises(ApiError) as error:
            unpack(tarball(files))
        assert "too large" in error.value.message
    assert set(unpack(tarball({f"{n}": "" for n in range(50)}))) == {f"{n}" for n in range(50)}


@pytest.mark.parametrize(
    ("spec", "found"),
    [("a", ("a", "latest")), ("a@1.2.3", ("a", "1.2.3")), ("@s/a", ("@s/a", "latest")),
     ("@s/a@next", ("@s/a", "next"))],
)  # fmt: skip
def test_specs(spec: str, found: tuple[str, str]) -> None:
    assert parse(spec) == found


@pytest.mark.parametrize(
    "spec", ["", "@", "a/b", "../a", "a@../b", "A B", "http://x", "@s", "a@1 2", "a" * 215]
)
def test_specs_that_are_none(spec: str) -> None:
    with pytest.raises(ApiError):
        parse(spec)


def test_the_operators_login_goes_to_its_own_registry_alone() -> None:
    npmrc = (
        "registry=https://npm.example.org/a/\n//npm.example.org/a/:_authToken=T\n//b/:_auth=Qg=="
    )
    assert login(npmrc, "https://npm.example.org/a") == {"Authorization": "Bearer T"}
    assert login(npmrc, "https://b") == {"Authorization": "Basic Qg=="}
    assert login(npmrc, "https://npm.example.org") == {}
    assert login(npmrc, "https://evil.example/npm.example.org/a") == {}
