"""`manage.py registry`, and what the API shows of it: REST specification 5.2, DESIGN section 7.

A real worker loads what a folder, or a package of a registry on loopback, publishes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.components.models import Component
from apps.runs import importing
from apps.runs.management.commands import registry as command
from apps.runs.models import Operation
from tests.api.conftest import Api, assert_error, body_of, make_component
from tests.api.worker import Worker
from tests.packages.registry import Registry, Serving

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = "components/clock/sources"
APP = 'module.exports = { type: "app", app: "clock", methods: { tick: () => VERSION } };'
SOURCE = """
const clock = require("../../clock.app");
module.exports = {
  name: "New Tick", key: "clock-new-tick", version: "0.0.1", description: "Ticks of a clock",
  props: { timer: { type: "$.interface.timer", default: { intervalSeconds: 900 } } },
  run() { this.$emit({ tick: clock.methods.tick() }); },
};
"""
FILES: dict[str, str] = {
    "components/clock/clock.app.js": APP.replace("VERSION", "1"),
    f"{ROOT}/new-tick/new-tick.js": SOURCE,
    f"{ROOT}/common.js": "module.exports = { run() {} };",
    f"{ROOT}/data.js": "module.exports = ['a'];",
    f"{ROOT}/broken.js": "module.exports = {{",
    f"{ROOT}/lost/lost.js": 'require("./nowhere"); module.exports = {name: "L", run() {}}',
}
REPORT = f"""{ROOT}/broken.js: failed:
{ROOT}/common.js: no component: it has no name
{ROOT}/data.js: no component: the component must be an object
{ROOT}/lost/lost.js: failed: cannot import "./nowhere"
5 files: 1 loaded, 0 unchanged, 2 failed, 2 no components"""


@pytest.fixture(scope="module")
def published() -> Iterator[Registry]:
    with Serving() as serving:
        serving.npm("clocks", "1.0.0", {**FILES})
        newer = {"components/clock/clock.app.js": APP.replace("VERSION", "2")}
        serving.npm("clocks", "2.0.0", {**FILES, **newer})
        yield serving


@pytest.fixture
def worker(
    started: Worker, published: Registry, settings: Any, transactional_db: None
) -> Iterator[Worker]:
    settings.NPM_REGISTRY = published.address
    with started:
        yield started


def folder(top: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        file = top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return top


def run(*words: str) -> tuple[int, list[str]]:
    """Exit code and lines of the command."""
    output = io.StringIO()
    code = 0
    try:
        call_command("registry", *words, stdout=output)
    except SystemExit as ended:
        code = int(str(ended.code))
    return code, output.getvalue().splitlines()


def tick(caller: Api, component_id: str) -> Any:
    """What a run of the component emits."""
    body = {"component_id": component_id, "configured_props": {}}
    return body_of(caller.call("POST", "/components/dry_run", body))["data"]["emits"][0]["event"]


# --- import -----------------------------------------------------------------------------------


def test_5_2_a_package_is_imported_and_found(alice: Api, worker: Worker) -> None:
    code, lines = run("import", "npm:clocks@1.0.0")
    assert code == 1
    said = [line for line in lines if line.startswith("components/") or " files: " in line]
    for line, wanted in zip(said, REPORT.splitlines(), strict=True):
        assert line.startswith(wanted)
    data = alice.json("/components/registry/clock-new-tick")["data"]
    assert (data["origin"], data["version"]) == ("npm:clocks", "0.0.1")
    assert data["component_url"] == f"npm:clocks@1.0.0/{ROOT}/new-tick/new-tick.js"
    assert data["code"] == SOURCE
    stored = Component.objects.get(id=data["id"])
    assert stored.owner_id is None
    assert set(stored.files) == {"components/clock/clock.app.js", "package.json"}
    found = alice.json("/components/search?query=ticks+of+a+clock")["data"]
    assert found["sources"] == ["clock-new-tick"]
    assert tick(alice, data["id"]) == {"tick": 1}
    made = alice.call("POST", "/sources", {"component_id": data["id"]})
    assert body_of(made)["data"]["name"] == "new-tick"


def test_5_4_a_newer_version_leaves_sources_on_theirs_until_they_are_moved(
    alice: Api, worker: Worker
) -> None:
    run("import", "npm:clocks@1.0.0")
    old = alice.json("/components/registry/clock-new-tick")["data"]["id"]
    source = body_of(alice.call("POST", "/sources", {"component_id": old}))["data"]
    run("import", "npm:clocks")
    new = alice.json("/components/registry/clock-new-tick")["data"]["id"]
    assert new != old
    assert alice.json(f"/sources/{source['id']}")["data"]["component_id"] == old
    assert (tick(alice, old), tick(alice, new)) == ({"tick": 1}, {"tick": 2})
    moved = alice.call("PUT", f"/sources/{source['id']}", {"component_id": new})
    assert body_of(moved)["data"]["component_id"] == new
    assert body_of(moved)["data"]["id"] == source["id"]
    # The older one again is the newest to be imported, and nothing is loaded for it.
    assert run("import", "npm:clocks@1.0.0")[1][-1].startswith("5 files: 0 loaded, 1 unchanged")
    assert alice.json("/components/registry/clock-new-tick")["data"]["id"] == old


def test_a_folder_and_exit_codes(alice: Api, worker: Worker, tmp_path: Path) -> None:
    good = {path: FILES[path] for path in FILES if "broken" not in path and "lost" not in path}
    assert run("import", str(folder(tmp_path / "good", good)))[0] == 0
    data = alice.json("/components/registry/clock-new-tick?origin=folder:good")["data"]
    assert data["origin"] == "folder:good"
    bad = {path: text for path, text in FILES.items() if "new-tick" not in path}
    assert run("import", str(folder(tmp_path / "bad", bad)))[0] == 2
    assert run("import", str(folder(tmp_path / "empty", {"README.md": ""})))[0] == 2
    python = {
        "feed.py": "from headwater import Source\nfrom _parts import NAME\nclass Feed(Source):\n"
        '    name = NAME\n    key = "feed"\n    def run(self, event):\n        self.emit(NAME)\n',
        "_parts.py": 'NAME = "From a part"\n',
    }
    assert run("import", str(folder(tmp_path / "python", python)))[0] == 0
    feed = alice.json("/components/registry/feed")["data"]
    assert (feed["name"], feed["language"]) == ("From a part", "python")
    assert tick(alice, feed["id"]) == "From a part"


def test_the_built_in_wins_and_origin_selects(alice: Api, worker: Worker) -> None:
    built_in = make_component(None, key="clock-new-tick", origin="builtin")
    run("import", "npm:clocks@1.0.0")
    path = "/components/registry/clock-new-tick"
    assert alice.json(path)["data"]["id"] == built_in.id
    assert alice.json(f"{path}?origin=npm:clocks")["data"]["origin"] == "npm:clocks"
    assert alice.json(f"{path}?origin=builtin")["data"]["id"] == built_in.id
    assert_error(alice.get(f"{path}?origin=npm:others"), 404)
    assert_error(alice.get(f"{path}?origin=%00"), 400, parameter="origin")


@pytest.mark.parametrize(
    ("place", "why"),
    [("npm:nothing", "does not know it"), ("npm:clocks@7", "no version 7"),
     ("npm:../x", "is not <name>"), ("npm:", "is not <name>"), ("/nowhere", "no such folder")],
)  # fmt: skip
def test_what_cannot_be_imported(alice: Api, worker: Worker, place: str, why: str) -> None:
    with pytest.raises(CommandError) as error:
        run("import", place)
    assert why in str(error.value)
    assert error.value.returncode == 2
    assert not Component.objects.exists()


def test_without_a_worker_the_import_is_withdrawn(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "PATIENCE_SECONDS", 0.1)
    with pytest.raises(CommandError) as error:
        run("import", "npm:clocks")
    assert "no worker" in str(error.value)
    assert Operation.objects.get().state == "cancelled"


def test_what_is_under_way_is_withdrawn_with_its_import(alice: Api) -> None:
    operation = importing.start({"npm": "x"})
    Operation.objects.update(state="running")
    assert importing.plan(operation.id, "folder:x", "folder:x", FILES, {})
    operation.refresh_from_db()
    assert importing.waiting(operation) == 5
    importing.withdraw(operation)
    assert importing.waiting(operation) == 0
    assert {part.outcome for part in importing.report(operation)} == {"failed"}
    assert not importing.plan(operation.id, "folder:x", "folder:x", FILES, {}), "it has ended"
    assert Operation.objects.count() == 6


def test_whoever_deploys_does_not_wait_for_an_import(alice: Api, worker: Worker) -> None:
    """What is imported takes a part of the places; here each file takes as long as loading may."""
    slow = {f"{n}.py": "while True: pass" for n in range(8)}
    operation = importing.start({"origin": "folder:slow", "label": "folder:slow", "files": slow})
    while operation.state != "done":
        operation.refresh_from_db()
    code = 'module.exports = { name: "Quick", run() {} };'
    response = alice.call("POST", "/components", {"component_code": code, "language": "javascript"})
    assert response.status_code == 200, response.content
    assert importing.waiting(operation) > 0
    importing.withdraw(operation)


# --- list and remove --------------------------------------------------------------------------


def test_list_and_remove(alice: Api, worker: Worker) -> None:
    run("import", "npm:clocks@1.0.0")
    old = alice.json("/components/registry/clock-new-tick")["data"]["id"]
    run("import", "npm:clocks@2.0.0")
    new = alice.json("/components/registry/clock-new-tick")["data"]["id"]
    source = body_of(alice.call("POST", "/sources", {"component_id": old}))["data"]["id"]
    assert run("list")[1] == [
        "npm:clocks@1.0.0: 1 components, 1 of them used by sources",
        "npm:clocks@2.0.0: 1 components, 0 of them used by sources",
    ]
    # Its ledger may be asked to go back to it.
    alice.call("PUT", f"/sources/{source}", {"component_id": new})
    assert run("remove", "npm:clocks@1.0.0")[1] == [
        "0 components removed",
        "1 stay: sources are or were made of them",
    ]
    with pytest.raises(CommandError):
        run("remove", "npm:others")
    with pytest.raises(CommandError):
        run("remove", "builtin")
    run("import", "npm:clocks@2.0.0")
    alice.call("DELETE", f"/sources/{source}")
    assert run("remove", "npm:clocks")[1][0] == "0 components removed"


def test_what_no_source_was_made_of_goes(alice: Api, worker: Worker) -> None:
    mine = make_component(alice.user, key="clock-new-tick")
    built_in = make_component(None, origin="builtin", component_url=None)
    run("import", "npm:clocks@1.0.0")
    assert run("remove", "npm:clocks")[1] == ["1 components removed"]
    assert_error(alice.get("/components/registry/clock-new-tick"), 404)
    assert set(Component.objects.values_list("id", flat=True)) == {mine.id, built_in.id}
