"""`component_url`: REST specification 5.2 and 5.3. A worker fetches it, real children load it; the
hosts answer on loopback, over TLS, under their real names. More about fetching is in
services/test_fetching.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.http import HttpResponse

from apps.components.models import Component
from apps.runs.models import Operation
from tests.api.conftest import Api, assert_error, body_of
from tests.api.worker import Worker, running
from tests.hosts import RAW, Hosts, Sent

pytestmark = pytest.mark.django_db(transaction=True)

SEED = "https://github.com/PipedreamHQ/pipedream/components/rss/rss.js"
ROOT = "/PipedreamHQ/pipedream/HEAD/components"
COMMON_JS = """
const rss = require("../rss.app");
module.exports = {
  name: "rss", key: "rss-feed", version: "0.0.1",
  props: { rss, url: { type: "string", label: rss.label }, timer: { type: "$.interface.timer" } },
  run() { this.$emit(rss.methods.item(this.url)); },
};
"""
APP = """
const methods = { item: (url) => ({ url }) };
module.exports = { type: "app", app: "rss", label: "Feed URL", methods };
"""
MODULE = """
import { name } from "./name.mjs";
export default { name, version: "1", run() {} };
"""
TYPED = """
import { label, type Label } from "./label";
const shown: Label = label;
export default { name: shown, props: { n: { type: "integer", min: 1 } }, run(): void {} };
"""
PYTHON = """
from headwater import Source


class Hello(Source):
    name = "Hello"

    def run(self, event):
        self.emit({"hello": "world"})
"""


@pytest.fixture(scope="module")
def _hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    with Hosts(tmp_path_factory.mktemp("hosts"), RAW, "example.org") as hosts:
        yield hosts


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, _hosts: Hosts) -> Iterator[Worker]:
    with running(Worker(tmp_path_factory.mktemp("worker"), _hosts)) as worker:
        yield worker


@pytest.fixture
def hosts(_hosts: Hosts) -> Hosts:
    _hosts.clear()
    return _hosts


def create(alice: Api, url: str, **more: object) -> HttpResponse:
    return alice.call("POST", "/components", {"component_url": url, **more})


def test_5_2_o15_the_seeds_own_request(alice: Api, worker: Worker, hosts: Hosts) -> None:
    hosts.serve(RAW, f"{ROOT}/rss/rss.js", COMMON_JS)
    hosts.serve(RAW, f"{ROOT}/rss.app.js", APP)
    response = create(alice, SEED)
    assert response.status_code == 200, response.content
    data = body_of(response)["data"]
    assert (data["component_url"], data["code"]) == (SEED, COMMON_JS)
    assert data["code_hash"] == hashlib.sha256(COMMON_JS.encode()).hexdigest()
    assert (data["name"], data["key"], data["language"]) == ("rss", "rss-feed", "javascript")
    assert data["configurable_props"][0] == {"name": "rss", "type": "app", "app": "rss"}
    assert data["configurable_props"][1]["label"] == "Feed URL"
    stored = Component.objects.get(id=data["id"])
    assert (stored.entry, stored.files) == ("components/rss/rss.js", {"components/rss.app.js": APP})


def test_frozen_what_was_fetched_is_not_fetched_again(
    alice: Api, worker: Worker, hosts: Hosts
) -> None:
    """The dry run loads the component anew while its host is gone."""
    hosts.serve(RAW, f"{ROOT}/rss/rss.js", COMMON_JS)
    hosts.serve(RAW, f"{ROOT}/rss.app.js", APP)
    made = body_of(create(alice, SEED))["data"]["id"]
    hosts.clear()
    ran = alice.call(
        "POST", "/components/dry_run", {"component_id": made, "configured_props": {"url": "u"}}
    )
    assert body_of(ran)["data"]["emits"][0]["event"] == {"url": "u"}
    assert hosts.asked == []


def test_q7_modules_typescript_and_python(alice: Api, worker: Worker, hosts: Hosts) -> None:
    hosts.serve("example.org", "/a/m.mjs", MODULE)
    hosts.serve("example.org", "/a/name.mjs", 'export const name = "Module";')
    hosts.serve("example.org", "/a/t.ts", TYPED)
    hosts.serve(
        "example.org", "/a/label.ts", 'export type Label = string; export const label = "T";'
    )
    hosts.serve("example.org", "/a/t.js", TYPED)
    hosts.serve("example.org", "/a/h.py", PYTHON)
    for url, name, language in (
        ("a/m.mjs", "Module", "javascript"),
        ("a/t.ts", "T", "javascript"),
        ("a/t.js", "T", "javascript"),  # TypeScript under another ending
        ("a/h.py", "Hello", "python"),
    ):
        response = create(alice, f"https://example.org/{url}")
        assert response.status_code == 200, response.content
        data = body_of(response)["data"]
        assert (data["name"], data["language"]) == (name, language)


def test_q7_without_an_ending_what_parses_tells_the_language(
    alice: Api, worker: Worker, hosts: Hosts
) -> None:
    hosts.serve("example.org", "/py?v=1", PYTHON)
    hosts.serve(
        "example.org", "/js", 'exports.default = 1; module.exports = { name: "J", run() {} }'
    )
    assert body_of(create(alice, "https://example.org/py?v=1"))["data"]["language"] == "python"
    assert body_of(create(alice, "https://example.org/js"))["data"]["language"] == "javascript"
    told = create(alice, "https://example.org/py?v=1", language="javascript")
    assert_error(told, 400, code="syntax_error", parameter="component_url")


def test_5_3_5_4_a_source_from_a_url_and_moved_to_another(
    alice: Api, worker: Worker, hosts: Hosts
) -> None:
    hosts.serve("example.org", "/old.py", PYTHON)
    response = alice.call("POST", "/sources", {"component_url": "https://example.org/old.py"})
    assert response.status_code == 200, response.content
    source = body_of(response)["data"]
    component = Component.objects.get(id=source["component_id"])
    assert component.component_url == "https://example.org/old.py"
    hosts.serve("example.org", "/new.py", PYTHON.replace('"Hello"', '"Newer"'))
    changed = alice.call(
        "PUT",
        f"/sources/{source['id']}",
        {"component_url": "https://example.org/new.py"},
    )
    assert changed.status_code == 200, changed.content
    moved = Component.objects.get(id=body_of(changed)["data"]["component_id"])
    assert (moved.name, moved.owner_id) == ("Newer", alice.user.id)
    assert Component.objects.filter(id=component.id).exists()


def test_what_the_template_of_authors_writes(alice: Api, worker: Worker, hosts: Hosts) -> None:
    """Its declarations are for type checkers: they are neither fetched nor missed."""
    for name in ("typescript/component.ts", "javascript/component.js"):
        code = (settings.BASE_DIR / "templates/component" / name).read_text("utf-8")
        hosts.serve("example.org", f"/{name}", code)
        response = create(alice, f"https://example.org/{name}")
        assert response.status_code == 200, response.content
        stored = Component.objects.get(id=body_of(response)["data"]["id"])
        assert (stored.name, stored.files) == ("Counter", {})


NPM = 'module.exports = { type: "app", app: "npm" };'
COUNTS = """
const npm = require("./npm.app.js");
module.exports = { name: "C", props: { npm }, run() { this.$emit(this.npm); } };
"""


def test_3_5_an_app_whose_credentials_nothing_reads_needs_no_account(
    alice: Api, worker: Worker, hosts: Hosts
) -> None:
    hosts.serve("example.org", "/c.js", COUNTS)
    hosts.serve("example.org", "/npm.app.js", NPM)
    made = body_of(create(alice, "https://example.org/c.js"))["data"]["id"]
    ran = alice.call("POST", "/components/dry_run", {"component_id": made})
    assert body_of(ran)["data"]["emits"][0]["event"] == {"type": "app", "app": "npm", "$auth": {}}
    source = alice.call("POST", "/sources", {"component_id": made})
    assert source.status_code == 200, source.content
    path = f"/sources/{body_of(source)['data']['id']}"
    assert alice.call("PUT", path, {"configured_props": {"npm": None}}).status_code == 200
    reading = NPM.replace("}", "methods: { key() { return this.$auth.key; } } }")
    hosts.serve("example.org", "/d.js", COUNTS.replace("npm.app", "other.app"))
    hosts.serve("example.org", "/other.app.js", reading.replace('"npm"', '"npm",'))
    wanted = body_of(create(alice, "https://example.org/d.js"))["data"]["id"]
    for method, where in (("POST", "/sources"), ("PUT", path)):
        refused = alice.call(method, where, {"component_id": wanted})
        body = assert_error(refused, 400)
        assert body["details"]["parameter"] == "configured_props.npm"


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/components", "/sources"])
def test_5_2_what_cannot_be_fetched_is_422(
    alice: Api, worker: Worker, hosts: Hosts, path: str
) -> None:
    hosts.serve("example.org", "/moved.js", Sent(status=302, headers={
        "Location": "https://169.254.169.254/latest/meta-data"}))  # fmt: skip
    for url, text in (
        ("https://example.org/none.js", "answered 404"),
        ("https://example.org/moved.js", "must not be called"),
    ):
        response = alice.call("POST", path, {"component_url": url})
        error = assert_error(response, 422, code="fetch_failed", parameter="component_url")
        assert text in error["error"]
    assert not Component.objects.exists()


def test_5_2_an_import_that_is_not_there_is_422(alice: Api, worker: Worker, hosts: Hosts) -> None:
    hosts.serve("example.org", "/a.js", 'require("./b"); module.exports = {name: "A", run() {}}')
    error = assert_error(create(alice, "https://example.org/a.js"), 422, code="fetch_failed")
    assert "a.js imports './b', which is not there" in error["error"]
    optional = 'try { require("./b") } catch {} module.exports = {name: "A", run() {}}'
    hosts.serve("example.org", "/a.js", optional)
    assert create(alice, "https://example.org/a.js").status_code == 200


@pytest.mark.parametrize(
    ("text", "code"),
    [("{{", "syntax_error"), ("module.exports = 7", None), ("throw new Error('x')", "load_failed"),
     ('module.exports = {name: "A"}', None), ("", "invalid_parameter")],
)  # fmt: skip
def test_5_2_what_is_no_component_is_400(
    alice: Api, worker: Worker, hosts: Hosts, text: str, code: str | None
) -> None:
    hosts.serve("example.org", "/a.js", text)
    assert_error(
        create(alice, "https://example.org/a.js"), 400, code=code, parameter="component_url"
    )


@pytest.mark.parametrize(
    "url", ["http://example.org/a.js", "https://127.0.0.1/a.js", "a.js", "ftp://x"]
)
def test_5_2_a_url_of_the_wrong_kind_is_400_at_once(alice: Api, url: str) -> None:
    for method, path in (("POST", "/components"), ("POST", "/sources")):
        assert_error(
            alice.call(method, path, {"component_url": url}), 400, parameter="component_url"
        )
    assert not Operation.objects.exists()


def test_a_worker_that_dies_does_not_fetch_twice(alice: Api, started: Worker, hosts: Hosts) -> None:
    """What came is in the row before it is loaded."""
    hosts.serve("example.org", "/h.py", PYTHON)
    with started:
        create(alice, "https://example.org/h.py")
    operation = Operation.objects.get()
    assert operation.args["code"] == PYTHON
    Operation.objects.update(state="queued", result=None, ended_at=None)
    hosts.clear()
    with started:
        while not Operation.objects.filter(state="done").exists():
            pass
    assert hosts.asked == []
