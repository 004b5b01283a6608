"""Packages of components through the API: DESIGN section 7, row "installs"."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from apps.components.models import Component, PackageSet
from apps.core.clock import app_now
from apps.runs.contract import Invocation, Limits
from tests.api.conftest import Api, assert_error, body_of
from tests.api.worker import Worker, running
from tests.hosts import RAW, Hosts
from tests.making import until
from tests.packages.registry import Registry, Serving
from workers import packages
from workers.runtime.pool import Runtime
from workers.runtime.settings import RuntimeSettings

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("told")]

VERSION = "exports.version = require('./package.json').version;"
CODE = """const one = require("one@1");
module.exports = { name: "One", version: "1", run() { this.$emit(one.version) } };"""


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with Serving() as serving:
        serving.npm("one", "1.0.0", {"index.js": VERSION})
        serving.npm("sloppy", "1.0.0", {"index.js": "exports.one = require('one').version;"})
        yield serving


@pytest.fixture(scope="module")
def started(directory: Path, hosts: Hosts) -> Iterator[Worker]:
    with running(Worker(directory, hosts)) as worker:
        yield worker


def create(caller: Api, code: str) -> Component:
    response = caller.call("POST", "/components", {"component_code": code})
    assert response.status_code == 200, response.content
    return Component.objects.get(id=body_of(response)["data"]["id"])


def emitted(directory: Path, component: Component) -> Any:
    """What a run emits on a worker that only has the installed directory: it asks no registry."""

    async def run() -> Any:
        runtime = Runtime(
            RuntimeSettings(run_dir=directory / "other", packages_dir=directory / "packages")
        )
        await runtime.start()
        try:
            call = Invocation(str(uuid.uuid4()), "dc_test", "run", "manual")
            outcome = await runtime.run(component.loadable("u"), call, Limits(wall_s=30))
        finally:
            await runtime.close()
        assert outcome.error is None, outcome.error
        return orjson.loads(outcome.emits[0].payload)

    return asyncio.run(run())


def test_a_reference_to_declarations_is_no_import(
    alice: Api, worker: Worker, directory: Path
) -> None:
    """What only a type checker reads is no import: the declarations stay with the author."""
    reference = '/// <reference path="./headwater.d.ts" />\n'
    typed = f"""{reference}import one from "npm:one@1";
    export default {{ name: "One", run() {{ const text: string = one.version;
      this.$emit(text) }} }} satisfies Headwater.Source;"""
    for code in (reference + CODE, typed):
        assert emitted(directory, create(alice, code)) == "1.0.0"


def test_installs_creation_installs_and_the_run_asks_nobody(
    alice: Api, worker: Worker, registry: Registry, directory: Path
) -> None:
    component = create(alice, CODE)
    assert component.language == "javascript"
    assert component.packages is not None
    assert '"npm:one@1"' in component.packages.lock
    asked = len(registry.asked)
    assert emitted(directory, component) == "1.0.0"
    again = create(alice, CODE)
    assert again.packages_id == component.packages_id
    assert len(registry.asked) == asked


def test_installs_an_undeclared_import_of_a_package_is_added(
    alice: Api, worker: Worker, directory: Path
) -> None:
    component = create(
        alice,
        "const s = require('sloppy'); module.exports = {name: 'S', run() { this.$emit(s.one) }};",
    )
    assert emitted(directory, component) == "1.0.0"


@pytest.mark.parametrize(
    ("wanted", "status", "code"),
    [
        ("nowhere-to-be-had", 400, "package_not_found"),
        ("one@99", 400, "package_version_not_found"),
        ("git+ssh://example.org/one", 400, "bad_import"),
    ],
)
def test_installs_what_cannot_be_had_is_named(
    alice: Api, worker: Worker, wanted: str, status: int, code: str
) -> None:
    text = f"require('{wanted}'); module.exports = {{name: 'X', run() {{}}}};"
    response = alice.call("POST", "/components", {"component_code": text})
    error = assert_error(response, status, code=code, parameter="component_code")
    assert wanted.partition("@")[0] in error["error"]
    assert not Component.objects.exists()


def test_installs_an_unreachable_registry_is_422(alice: Api, told: Any, started: Worker) -> None:
    told.NPM_REGISTRY = "http://127.0.0.1:9"
    text = "require('far-away'); module.exports = {name: 'X', run() {}};"
    with started:
        response = alice.call("POST", "/components", {"component_code": text})
    error = assert_error(response, 422, code="registry_unreachable", parameter="component_code")
    assert "far-away" in error["error"]


def test_installs_switched_off_are_400(alice: Api, told: Any, started: Worker) -> None:
    told.ALLOW_INSTALLS = False
    with started:
        response = alice.call("POST", "/components", {"component_code": CODE})
    error = assert_error(response, 400, code="installs_off", parameter="component_code")
    assert "one" in error["error"]


@pytest.mark.parametrize("route", ["/components", "/sources"])
def test_installs_that_outlast_the_call_go_on_for_the_next(
    alice: Api, worker: Worker, registry: Registry, hosts: Hosts, told: Any, route: str
) -> None:
    """Of code behind a URL: fetched, loaded and installed within one call's time, or not."""
    name = f"late-{route[1:]}"
    registry.npm(name, "1.0.0", {"index.js": VERSION})
    late = registry.hold(f"/files/{name}-1.0.0.tgz")
    hosts.serve(RAW, f"/who/repository/main/{name}.js", CODE.replace("one@1", name))
    body = {"component_url": f"https://{RAW}/who/repository/main/{name}.js"}

    def created() -> Any:
        return alice.call("POST", route, body)

    told.LOAD_WAIT_SECONDS = 0.5
    # Until a worker has begun, the call is taken back when its time is over.
    response = until(lambda: (one := created()).json()["code"] == "still_loading" and one)
    error = assert_error(response, 503, code="still_loading")
    assert "same body" in error["error"]
    assert int(response["Retry-After"]) > 0
    assert not Component.objects.exists()
    late.set()
    until(PackageSet.objects.exists)
    told.LOAD_WAIT_SECONDS = 60.0
    response = created()
    assert response.status_code == 200, response.content
    assert Component.objects.get().packages_id is not None
    assert registry.count(f"/files/{name}-") == 1


def test_installs_old_sets_that_nothing_refers_to_are_removed(
    alice: Api, worker: Worker, directory: Path, told: Any
) -> None:
    kept = create(alice, CODE)
    orphan = create(alice, CODE.replace("one@1", "one@^1.0"))
    assert orphan.packages_id is not None
    names = {kept.packages_id, orphan.packages_id}
    orphan.delete()
    assert packages.forget() == 0
    PackageSet.objects.update(used_at=app_now() - timedelta(days=told.PACKAGE_RETENTION_DAYS + 1))
    assert packages.forget() == 1
    (directory / "packages" / "npm-forgotten").mkdir()
    assert packages.prune() == []
    told.PACKAGE_YOUNG_SECONDS = 0.0
    gone = packages.prune()
    assert "npm-forgotten" in gone
    assert kept.packages_id not in gone
    assert names & set(PackageSet.objects.values_list("name", flat=True)) == {kept.packages_id}
    assert (directory / "packages" / str(kept.packages_id)).is_dir()
