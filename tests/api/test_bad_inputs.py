"""The table "API bodies and parameters" on the routes for options, dry runs, search and keys.

Rows about their own parameters stand in the tests of each; the ones that hold for every route here.
"""

from __future__ import annotations

import pytest

from apps.accounts import services
from apps.accounts.models import ApiKey
from apps.runs.models import Operation
from tests.api.conftest import Api, assert_error, make_component
from tests.api.test_bodies import REASONS, REFUSED

PROPS = [{"name": "url", "type": "string", "remoteOptions": True}]
POSTED = ["/components/feed/props/url/options", "/components/dry_run", "/users/me/keys"]
# An empty body is a whole one where nothing is required.
BODIES = [name for name in REFUSED if name not in ("empty where one is needed", "blank")]
ALL = [*POSTED, "/components/search?query=a", "/users/me/keys/key_000000"]
METHODS = {
    "/components/feed/props/url/options": "POST",
    "/components/dry_run": "POST",
    "/components/search?query=a": "GET, HEAD",
    "/users/me/keys": "GET, HEAD, POST",
    "/users/me/keys/key_000000": "DELETE",
}


@pytest.fixture
def owner(alice: Api) -> Api:
    make_component(alice.user, props=PROPS)
    return alice


def _nothing_happened(caller: Api) -> None:
    assert not Operation.objects.exists()
    assert ApiKey.objects.filter(user=caller.user).count() == 1


@pytest.mark.parametrize("path", POSTED)
@pytest.mark.parametrize("name", [name for name in BODIES if name != "empty object"])
def test_body_is_refused(owner: Api, name: str, path: str) -> None:
    body, code = REFUSED[name]
    error = assert_error(owner.call("POST", path, body), 400, code=code)
    assert REASONS.get(name, "") in error["error"]
    _nothing_happened(owner)


@pytest.mark.parametrize("path", POSTED)
@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-yaml", "application/xml", "multipart/form-data",
     "application/json; charset=utf-16", ""],
)  # fmt: skip
def test_another_content_type_is_415(owner: Api, path: str, content_type: str) -> None:
    response = owner.call("POST", path, b'{"name": "x"}', content_type=content_type)
    assert_error(response, 415, code="unsupported_media_type")
    _nothing_happened(owner)


@pytest.mark.parametrize("path", POSTED)
def test_compressed_body_is_415(owner: Api, path: str) -> None:
    response = owner.call("POST", path, b"\x1f\x8b", **{"content-encoding": "gzip"})
    assert_error(response, 415)
    _nothing_happened(owner)


@pytest.mark.parametrize("path", POSTED)
def test_body_over_the_limit_is_413(owner: Api, path: str) -> None:
    body = b'{"name": "%b"}' % (b"x" * 1024 * 1024)
    assert_error(owner.call("POST", path, body), 413, code="too_large")
    _nothing_happened(owner)


@pytest.mark.parametrize("path", ALL)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "TRACE"])
def test_wrong_method_is_405_with_allow(owner: Api, path: str, method: str) -> None:
    if method in METHODS[path]:
        return
    response = owner.call(method, path)
    assert_error(response, 405, code="method_not_allowed")
    assert response["Allow"] == METHODS[path]


@pytest.mark.parametrize("path", ALL)
def test_no_garbage_or_revoked_key_is_401(owner: Api, nobody: Api, path: str) -> None:
    method = METHODS[path].rpartition(", ")[2].replace("HEAD", "GET")
    assert_error(nobody.call(method, path), 401)
    garbage = {"authorization": "Bearer garbage"}
    assert_error(owner.call(method, path, **garbage), 401)
    in_query = f"{path}{'&' if '?' in path else '?'}api_key={owner.key}"
    assert "query" in assert_error(nobody.call(method, in_query), 401)["error"]
    assert services.revoke_key(ApiKey.objects.get(user=owner.user))
    assert_error(owner.call(method, path), 401)


@pytest.mark.parametrize(
    "path",
    ["/components/~/props/url/options", "/components/%2e%2e%2f/props/url/options",
     "/components/dc_000000/props/url/options", "/components/%00/props/url/options",
     "/components/sc_000000/props/url/options", "/components/feed/props//options",
     "/components/feed/props/url", "/components/dry_run/props/url/options"],
)  # fmt: skip
def test_strange_paths_are_404(owner: Api, path: str) -> None:
    assert_error(owner.call("POST", path, {}), 404, code="not_found")


def test_a_name_of_markup_is_stored_as_it_is(owner: Api) -> None:
    name = "<script>alert(1)</script>"
    assert owner.call("POST", "/users/me/keys", {"name": name}).status_code == 200
    response = owner.get("/users/me/keys")
    assert name.encode() in response.content
    assert response["Content-Type"].startswith("application/json")
