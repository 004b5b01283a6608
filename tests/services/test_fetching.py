"""Fetching a component and its relative imports (REST specification 5.2), over TLS from hosts under
their real names. That the worker does it for the API is in tests/api/test_component_urls.py."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from apps.components import fetching
from apps.components.fetching import Fetched
from apps.core.addresses import Policy
from apps.core.errors import ApiError
from apps.core.http import Client
from apps.core.names import by_table
from tests.hosts import GIST, RAW, Hosts, Sent

TREE = "/o/r/HEAD/components/x"
ENTRY = "https://github.com/o/r/components/x/sources/new/new.js"
APP = 'module.exports = {type: "app", app: "x"};'


@pytest.fixture(scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    names = (RAW, GIST, "example.org", "other.example")
    with Hosts(tmp_path_factory.mktemp("hosts"), *names) as hosts:
        yield hosts


@pytest.fixture
def hosts(_shared: Hosts) -> Hosts:
    _shared.clear()
    return _shared


@pytest.fixture
async def client(hosts: Hosts) -> AsyncIterator[Client]:
    made = hosts.client()
    yield made
    await made.close()


async def imports(files: Mapping[str, str]) -> dict[str, list[str]]:
    """Enough for the code of these tests; the worker asks Deno."""
    call = re.compile(r"""(?:require\(|from |import )["']([^"']+)["']""")
    return {path: call.findall(text) for path, text in files.items()}


async def fetch(url: str, client: Client) -> Fetched:
    return await fetching.fetch(url, client, imports)


async def refused(url: str, client: Client) -> ApiError:
    with pytest.raises(ApiError) as error:
        await fetch(url, client)
    assert error.value.parameter == "component_url"
    assert error.value.message.startswith("component_url")
    return error.value


# --- what is fetched --------------------------------------------------------------------------


async def test_o15_the_short_form_with_what_it_imports_and_the_layout_kept(
    hosts: Hosts, client: Client
) -> None:
    hosts.serve(RAW, f"{TREE}/sources/new/new.js", 'const x = require("../../x.app.js");')
    hosts.serve(RAW, f"{TREE}/x.app.js", 'require("./common"); require("./data.json")')
    hosts.serve(RAW, f"{TREE}/common/index.js", "import a from '../x.app.js'; import './b.mjs'")
    hosts.serve(RAW, f"{TREE}/common/b.mjs", "export default 1;")
    hosts.serve(RAW, f"{TREE}/data.json", "{}")
    found = await fetch(ENTRY, client)
    assert found.entry == "components/x/sources/new/new.js"
    assert found.code == 'const x = require("../../x.app.js");'
    assert found.language == "javascript"
    assert set(found.files) == {
        f"components/x/{path}"
        for path in ("x.app.js", "common/index.js", "common/b.mjs", "data.json")
    }
    assert found.missing == []
    assert len(hosts.asked) == len(set(hosts.asked)), "a file was asked for twice"


async def test_a_blob_a_raw_url_and_a_gist(hosts: Hosts, client: Client) -> None:
    hosts.serve(RAW, "/o/r/v1/a.js", APP)
    for url in ("https://github.com/o/r/blob/v1/a.js", f"https://{RAW}/o/r/v1/a.js"):
        assert (await fetch(url, client)).entry == "a.js"
    # Without the name of a file, the host tells it by a redirect.
    hosts.serve(GIST, "/ada/0123abcdef/raw", Sent(status=302, headers={
        "Location": f"https://{GIST}/ada/0123abcdef/raw/9876543210/b.ts"}))  # fmt: skip
    hosts.serve(GIST, "/ada/0123abcdef/raw/9876543210/b.ts", "import './c'")
    hosts.serve(GIST, "/ada/0123abcdef/raw/9876543210/c.ts", "export default 1")
    found = await fetch("https://gist.github.com/ada/0123abcdef", client)
    assert (found.entry, found.language, set(found.files)) == ("b.ts", "javascript", {"c.ts"})


async def test_the_package_json_beside_code_that_imports_packages(
    hosts: Hosts, client: Client
) -> None:
    hosts.serve(RAW, f"{TREE}/sources/new/new.js", 'require("axios")')
    hosts.serve(RAW, "/o/r/HEAD/components/package.json", '{"dependencies": {"axios": "^1"}}')
    hosts.serve(RAW, "/o/r/HEAD/package.json", "{}")
    assert set((await fetch(ENTRY, client)).files) == {"components/package.json"}
    hosts.clear()
    hosts.serve(RAW, f"{TREE}/sources/new/new.js", 'require("node:fs")')
    await fetch(ENTRY, client)
    assert len(hosts.asked) == 1


async def test_python_is_fetched_alone(hosts: Hosts, client: Client) -> None:
    hosts.serve("example.org", "/a/b.py?x=1", "import feedparser  # require('./c')")
    found = await fetch("https://example.org/a/b.py?x=1", client)
    assert (found.entry, found.language, found.files) == ("a/b.py", "python", {})


async def test_a_byte_order_mark_is_no_code(hosts: Hosts, client: Client) -> None:
    hosts.serve("example.org", "/b.js", b"\xef\xbb\xbf" + APP.encode())
    assert (await fetch("https://example.org/b.js", client)).code == APP


async def test_a_missing_import_is_remembered_not_fatal(hosts: Hosts, client: Client) -> None:
    """It may stand in a `try`; that it was needed shows when the code does not load."""
    hosts.serve("example.org", "/b.js", 'try { require("./local.js") } catch {}')
    found = await fetch("https://example.org/b.js", client)
    assert found.files == {}
    assert found.missing == [
        "b.js imports './local.js', which is not there: https://example.org/local.js answered 404"
    ]


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429, 500, 204])
async def test_an_entry_that_is_not_served(hosts: Hosts, client: Client, status: int) -> None:
    hosts.serve("example.org", "/b.js", Sent(status=status))
    error = await refused("https://example.org/b.js?token=T", client)
    assert error.status == 422
    hosts.serve("example.org", "/b.js?token=T", Sent(status=status))
    error = await refused("https://example.org/b.js?token=T", client)
    assert (error.status, error.code) == (422, "fetch_failed")
    assert f"https://example.org/b.js answered {status}" in error.message


async def test_an_import_that_fails_for_another_reason_than_absence(
    hosts: Hosts, client: Client
) -> None:
    hosts.serve("example.org", "/b.js", 'require("./c.js")')
    hosts.serve("example.org", "/c.js", Sent(status=500))
    error = await refused("https://example.org/b.js", client)
    assert (error.status, "b.js imports './c.js'" in error.message) == (422, True)


async def test_redirects_are_counted(hosts: Hosts, client: Client) -> None:
    for n in range(5):
        hosts.serve("example.org", f"/{n}.js", Sent(status=301 + n % 2, headers={
            "Location": f"/{n + 1}.js"}))  # fmt: skip
    hosts.serve("example.org", "/5.js", APP)
    assert (await fetch("https://example.org/2.js", client)).entry == "5.js"
    error = await refused("https://example.org/1.js", client)
    assert (error.status, "more than 3 times" in error.message) == (422, True)


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("https://127.0.0.1:{}/a.js", "must not be called"),
        ("https://169.254.169.254/latest", "must not be called"),
        ("https://[::1]/a.js", "must not be called"),
        ("https://2130706433/a.js", "is no URL"),
        ("http://example.org/a.js", "redirects to where no code is fetched from"),
        ("file:///etc/passwd", "is no URL"),
        ("https://user:pass@example.org/a.js", "is no URL"),
        ("https://elsewhere.example/a.js", "must not be called"),
    ],
)
async def test_each_redirect_is_checked_again(hosts: Hosts, place: str, why: str) -> None:
    """The names may be called because of their port alone; another port of loopback may not."""
    resolve = [*hosts.resolve, "elsewhere.example=127.0.0.1:9"]
    client = Client(
        Policy([f"127.0.0.1/32:{hosts.port}"]),
        seconds=20,
        resolve=by_table(resolve),
        ca=str(hosts.ca),
    )
    target = place.format(hosts.port + 1 if hosts.port < 65535 else 1)
    hosts.serve("example.org", "/a.js", Sent(status=302, headers={"Location": target}))
    error = await refused("https://example.org/a.js", client)
    assert (error.status, error.code) == (422, "fetch_failed")
    assert why in error.message
    assert hosts.asked == ["example.org/a.js"]
    await client.close()


async def test_a_name_that_leads_to_a_private_address_is_not_called(hosts: Hosts) -> None:
    client = Client(Policy(), seconds=20, resolve=by_table(hosts.resolve), ca=str(hosts.ca))
    error = await refused("https://example.org/a.js", client)
    assert (error.status, "must not be called" in error.message) == (422, True)
    assert hosts.asked == []
    await client.close()


async def test_an_unknown_certificate_and_one_of_another_name(hosts: Hosts, tmp_path: Path) -> None:
    entries = [*hosts.resolve, f"stranger.example=127.0.0.1:{hosts.port}"]
    policy = Policy([f"127.0.0.1/32:{hosts.port}"])
    trusting = Client(policy, seconds=20, resolve=by_table(entries), ca=str(hosts.ca))
    error = await refused("https://stranger.example/a.js", trusting)
    assert (error.status, "certificate" in error.message) == (422, True)
    await trusting.close()
    doubting = Client(policy, seconds=20, resolve=by_table(entries))
    error = await refused("https://example.org/a.js", doubting)
    assert (error.status, "certificate" in error.message) == (422, True)
    await doubting.close()


async def test_a_web_page_and_what_is_no_text(hosts: Hosts, client: Client) -> None:
    page = Sent(b"<html>", headers={"Content-Type": "text/html; charset=utf-8"})
    hosts.serve("example.org", "/a.js", page)
    assert (await refused("https://example.org/a.js", client)).status == 400
    for body, text in ((b"\xff\xfe", "UTF-8"), (b"a\x00b", "NUL"), (b" ", "text of a component")):
        hosts.serve("example.org", "/b.js", body)
        error = await refused("https://example.org/b.js", client)
        assert (error.status, text in error.message) == (400, True)


async def test_what_is_packed_is_not_unpacked(hosts: Hosts, client: Client) -> None:
    packed = Sent(gzip.compress(b"x" * 10_000_000), headers={"Content-Encoding": "gzip"})
    hosts.serve("example.org", "/a.js", packed)
    error = await refused("https://example.org/a.js", client)
    assert (error.status, "cannot be read" in error.message) == (422, True)


async def test_a_file_that_is_too_large(hosts: Hosts, client: Client) -> None:
    big = b"//" + b"x" * (1024 * 1024)
    # One that tells its size, and one that would go on.
    for headers in ({}, {"Content-Length": "9999999999"}):
        hosts.serve("example.org", "/a.js", Sent(big, headers=headers))
        error = await refused("https://example.org/a.js", client)
        assert (error.status, error.code) == (413, "too_large")


async def test_a_file_that_comes_slowly_is_given_up(hosts: Hosts) -> None:
    client = hosts.client(seconds=0.5)
    hosts.serve("example.org", "/a.js", Sent(b"x" * 100_000, drip_s=0.02))
    error = await refused("https://example.org/a.js", client)
    assert (error.status, "in time" in error.message) == (422, True)
    await client.close()


async def test_a_tree_that_comes_slowly_is_given_up(
    hosts: Hosts, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "TREE_SECONDS", 0.5)
    hosts.serve("example.org", "/a.js", Sent(b"x" * 100_000, drip_s=0.02))
    error = await refused("https://example.org/a.js", client)
    assert (error.status, error.code) == (422, "fetch_failed")


async def test_too_many_files_and_too_many_steps(
    hosts: Hosts, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "FILES", 5)
    hosts.serve("example.org", "/a.js", "".join(f"require('./{n}.js');" for n in range(6)))
    for n in range(6):
        hosts.serve("example.org", f"/{n}.js", f"require('./{n + 1}.js')")
    error = await refused("https://example.org/a.js", client)
    assert (error.status, "more than 5 files" in error.message) == (400, True)
    monkeypatch.setattr(fetching, "DEPTH", 3)
    error = await refused("https://example.org/0.js", client)
    assert (error.status, "more than 3 steps" in error.message) == (422, True)
    monkeypatch.setattr(fetching, "REQUESTS", 2)
    assert (await refused("https://example.org/0.js", client)).status == 400


async def test_all_files_together_are_too_large(
    hosts: Hosts, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "TREE_BYTES", 1000)
    hosts.serve("example.org", "/a.js", "require('./b.js');require('./c.js')")
    for name in "bc":
        hosts.serve("example.org", f"/{name}.js", "//" + "x" * 600)
    assert (await refused("https://example.org/a.js", client)).status == 413


@pytest.mark.parametrize("name", ["../a.js", "../../../a.js", "./%2e%2e/a.js", "./node_modules/a"])
async def test_an_import_that_leaves_the_tree(hosts: Hosts, client: Client, name: str) -> None:
    hosts.serve(RAW, "/o/r/v1/b.js", f"require('{name}')")
    error = await refused("https://github.com/o/r/blob/v1/b.js", client)
    assert (error.status, "b.js" in error.message) == (400, True)
    assert len(hosts.asked) == 1


# --- before anything is asked for -------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["", "x", "http://example.org/a.js", "https://127.0.0.1/a.js", "https://localhost/a.js",
     "https://10.1.2.3/a.js", "https://[::ffff:169.254.169.254]/a.js", "https://127.1/a.js",
     "ftp://example.org/a.js", "https://example.org", "https://u@example.org/a.js"],
)  # fmt: skip
def test_5_2_urls_that_are_refused_at_once(url: str) -> None:
    with pytest.raises(ApiError) as error:
        fetching.check(url)
    assert (error.value.status, error.value.parameter) == (400, "component_url")


def test_http_where_the_operator_allows_it(settings: Any) -> None:
    settings.COMPONENT_URL_HTTP = True
    assert fetching.check("http://example.org/a.js") == "http://example.org/a.js"
