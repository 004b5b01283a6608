"""The published components of the npm package, imported for real: which load, and whether they are
described as loading their modules in plain Deno describes them."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from apps.components.models import Component
from tests.api.conftest import make_caller
from tests.api.worker import Worker
from tests.corpus import published
from workers.runtime.settings import deno_beside_python

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(3000)]

# Shared parts and data among the 254 files.
NO_COMPONENTS = {
    "sendgrid/sources/common/base.js", "sendgrid/sources/common/http-based.js",
    "sendgrid/sources/common/timer-based.js", "sendgrid/sources/events/delivery-event-types.js",
    "sendgrid/sources/events/engagement-event-types.js", "snowflake/sources/common-table-scan.js",
    "snowflake/sources/common.js", "twitter/sources/common-followers.js",
    "twitter/sources/language-codes.js", "webflow/sources/collection-common.js",
    "webflow/sources/common.js",
}  # fmt: skip
# It refers to a prop definition that its app does not have.
BROKEN = "twitter/sources/new-unfollower-of-user/new-unfollower-of-user.js"

# By the component specification's words, and by nothing of the platform's own harness.
PLAIN = """
const told = {};
for (const path of JSON.parse(Deno.args[0])) {
  const component = (await import(new URL(path, import.meta.url))).default;
  const props = [], hooks = Object.keys(component.hooks ?? {});
  for (const [name, given] of Object.entries(component.props ?? {})) {
    let prop = typeof given === "string" ? { type: given } : { ...given };
    if (prop.propDefinition) {
      const [app, wanted] = prop.propDefinition;
      const from = typeof app === "string" ? component.props[app] : app;
      delete prop.propDefinition;
      prop = { ...from.propDefinitions[wanted], ...prop };
    }
    if (prop.type === "app") prop = { type: "app", app: prop.app };
    if (typeof prop.options === "function") prop.remoteOptions = true;
    if (typeof prop.eventNames === "function") {
      prop.remoteEventNames = true; // asked for when the source is activated
      hooks.push("activate");
    }
    for (const key of Object.keys(prop)) if (typeof prop[key] === "function") delete prop[key];
    props.push({ name, ...prop });
  }
  const { name, key, version, description, dedupe } = component;
  told[path] = { name, key, version, description, dedupe, hooks, props };
}
console.log("\\n" + JSON.stringify(told));
Deno.exit(0);
"""


@pytest.fixture
def worker(transactional_db: None, settings: Any, tmp_path: Path) -> Iterator[tuple[Worker, Path]]:
    made = Worker(tmp_path / "host")
    made.start()
    with made:
        yield made, tmp_path / "host" / "packages"
    made.stop()


def test_5_2_the_published_components_load_and_are_described_as_plain_deno_sees_them(
    worker: tuple[Worker, Path], tmp_path: Path
) -> None:
    make_caller("alice")
    source = published.root() / "components"
    output = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("registry", "import", f"npm:{published.PACKAGE}", stdout=output)
    lines = output.getvalue().splitlines()
    failed = {line for line in lines if ": failed: " in line}
    assert [line.partition(": ")[0] for line in failed] == [f"components/{BROKEN}"], failed
    assert 'the definition "screen_name"' in failed.pop()
    skipped = {line.partition(": ")[0] for line in lines if ": no component: " in line}
    assert skipped == {f"components/{path}" for path in NO_COMPONENTS}
    assert lines[-1] == "254 files: 242 loaded, 0 unchanged, 1 failed, 11 no components"
    assert ended.value.code == 1
    loaded = list(Component.objects.filter(owner=None, origin="npm:pipedream"))
    assert len(loaded) == 242
    for component in loaded:
        assert component.code == (source.parent / component.entry).read_text()
    top = tmp_path / "plain"
    shutil.copytree(source, top / "components")
    (top / "plain.mjs").write_text(PLAIN)
    differences = {}
    for packages, components in _by_packages(loaded).items():
        installed = worker[1] / packages if packages else None
        told = _plain(top, installed, [one.entry for one in components])
        for one in components:
            if _described(one) != _expected(told[one.entry]):
                differences[one.entry] = (_described(one), _expected(told[one.entry]))
    assert differences == {}


def _by_packages(components: list[Component]) -> dict[str, list[Component]]:
    found: dict[str, list[Component]] = defaultdict(list)
    for component in components:
        found[component.packages_id or ""].append(component)
    return found


def _plain(top: Path, installed: Path | None, paths: list[str]) -> dict[str, Any]:
    """The modules loaded by Deno itself, with nothing of the platform; it may read, and no more."""
    modules = top / "node_modules"
    modules.unlink(missing_ok=True)
    if installed is not None:
        modules.symlink_to(installed / "node_modules")
    command = [
        *(deno_beside_python(), "run", "--quiet", "--no-prompt", "--no-config", "--no-lock"),
        *("--no-remote", "--cached-only", "--node-modules-dir=manual", "--unstable-detect-cjs"),
        *("--allow-read", "--allow-sys", "--allow-env", str(top / "plain.mjs")),
        json.dumps([f"./{path}" for path in paths]),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout.rstrip().rpartition("\n")[2])
    return {path.removeprefix("./"): value for path, value in told.items()}


def _expected(told: dict[str, Any]) -> dict[str, Any]:
    hooks = [hook for hook in ("deploy", "activate", "deactivate") if hook in told["hooks"]]
    return {**told, "hooks": hooks, "props": [_prop(prop) for prop in told["props"]]}


def _prop(prop: dict[str, Any]) -> dict[str, Any]:
    """The early spellings that the specification replaces."""
    return {**prop, "type": {"number": "integer"}.get(prop["type"], prop["type"])}


def _described(component: Component) -> dict[str, Any]:
    words = {
        "name": component.name,
        "key": component.key,
        "version": component.version or None,
        "description": component.description,
        "dedupe": component.dedupe,
    }
    told = {name: value for name, value in words.items() if value is not None}
    return {**told, "hooks": component.hooks, "props": component.props}
