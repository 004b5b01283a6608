"""npm packages from import to run: found in the code, installed once, used without a network."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import pytest

from apps.runs.contract import Code, Limits, LoadError
from tests.packages.conftest import Host
from tests.packages.registry import Link, Registry
from workers.runtime.packages.npm import why
from workers.runtime.packages.refusal import Refused
from workers.runtime.tool import Ended

pytestmark = pytest.mark.asyncio(loop_scope="module")

VERSION = "exports.version = require('./package.json').version;"


def component(text: str, value: str, name: str = "c", **given: object) -> Code:
    body = f"{text}\nmodule.exports = {{ name: 'a', run() {{ this.$emit({value}) }} }};"
    return Code("o", name, "javascript", body, **given)  # type: ignore[arg-type]


def module(text: str, value: str, name: str = "m") -> Code:
    body = f"{text}\nexport default {{ name: 'a', run() {{ this.$emit({value}) }} }};"
    return Code("o", name, "javascript", body)


async def test_plain_and_versioned_imports_of_commonjs(host: Host, registry: Registry) -> None:
    for version in ("1.0.0", "1.2.3", "2.0.0"):
        registry.npm("one", version, {"index.js": VERSION, "sub/path.js": "module.exports = 7;"})
    registry.npm("@some/two", "3.1.0", {"index.js": VERSION}, dependencies={"one": "^1.0.0"})
    code = component(
        """const one = require('one'); const old = require("one@1.0.0");
           const two = require('@some/two'); const crypto = require('crypto');
           const path = require('one/sub/path'); const deep = require('one@1.0.0/sub/path');""",
        "[one.version, old.version, two.version, path, deep, typeof crypto.createHash]",
    )
    installed = await host.installed(code)
    assert await host.emitted(installed) == ["2.0.0", "1.0.0", "3.1.0", 7, 7, "function"]


async def test_es_modules_and_typescript(host: Host, registry: Registry) -> None:
    for version in ("1.0.0", "1.5.0"):
        registry.npm("esm", version, {"index.js": f"export default '{version}';"}, type="module")
    text = """import newest from 'esm'; import old from 'npm:esm@1.0'; import same from 'esm@1.0.0';
              import { createHash } from 'node:crypto'; const shown: string = newest;"""
    installed = await host.installed(module(text, "[shown as string, old, same, !!createHash]"))
    assert await host.emitted(installed) == ["1.5.0", "1.0.0", "1.0.0", True]


async def test_the_version_of_the_package_json_beside_the_code(
    host: Host, registry: Registry
) -> None:
    for version in ("1.0.0", "2.0.0"):
        registry.npm("pinned", version, {"index.js": VERSION})
    files = {"hub/package.json": '{"dependencies": {"pinned": "^1.0.0", "unused": "git+ssh://x"}}'}
    code = component(
        "const p = require('pinned'); const u = require('./used');",
        "[p.version, u.version]",
        entry="hub/a.js",
        files={**files, "hub/used.js": "module.exports = require('pinned@2');"},
    )
    assert await host.emitted(await host.installed(code)) == ["1.0.0", "2.0.0"]
    broken = component("require('unused')", "1", entry="hub/a.js", files=files)
    refused = await host.refused(broken)
    assert refused.code == "bad_import"
    assert "unused" in str(refused)


async def test_code_without_packages_starts_no_tool_for_them(host: Host) -> None:
    plain = Code("o", "plain", "javascript", "module.exports = { name: 'a', run() {} };")
    assert await host.installer.name_for(plain) is None
    node = component("const c = require('crypto'); const fs = require('node:fs');", "1")
    assert await host.installer.name_for(node) is None


async def test_twice_the_same_is_one_install_also_at_once(host: Host, registry: Registry) -> None:
    registry.npm("twice", "1.0.0", {"index.js": VERSION})
    before = host.installer.installs
    codes = [component("const t = require('twice');", "t.version", str(n)) for n in range(3)]
    names = await asyncio.gather(*map(host.installer.name_for, codes))
    names.append(await host.installer.name_for(codes[0]))
    assert len(set(names)) == 1
    assert host.installer.installs == before + 1
    assert registry.count("twice-1.0.0.tgz") == 1


async def test_a_set_that_was_resolved_long_ago_is_resolved_anew(
    host: Host, registry: Registry
) -> None:
    """The newest at creation; what was created before keeps its own."""
    registry.npm("moving", "1.0.0", {"index.js": VERSION})
    code = component("const m = require('moving');", "m.version")
    first = await host.installed(code)
    registry.npm("moving", "1.1.0", {"index.js": VERSION})
    assert (await host.installed(code)).packages == first.packages
    host.rows.is_fresh = False
    try:
        second = await host.installed(code)
    finally:
        host.rows.is_fresh = True
    assert await host.emitted(first) == "1.0.0"
    assert await host.emitted(second) == "1.1.0"


async def test_another_host_installs_exactly_the_same_from_the_lock(
    host: Host, registry: Registry, tmp_path: Path
) -> None:
    registry.npm("far", "1.0.0", {"index.js": VERSION})
    installed = await host.installed(component("const f = require('far@1');", "f.version"))
    registry.npm("far", "1.0.1", {"index.js": VERSION})
    tmp_path.chmod(0o755)
    other = Host(tmp_path, host.settings, host.rows)
    await other.runtime.start()
    try:
        assert await other.emitted(installed) == "1.0.0"
        unknown = component("", "1", "x", packages="npm-gone")
        with pytest.raises(LoadError, match="not known"):
            await other.runtime.describe(unknown, Limits())
    finally:
        await other.runtime.close()


async def test_an_undeclared_import_of_a_package_is_found_and_added(
    host: Host, registry: Registry
) -> None:
    registry.npm("he", "1.2.0", {"index.js": VERSION})
    registry.npm("sloppy", "1.0.0", {"index.js": "exports.he = require('he').version;"})
    code = component("const s = require('sloppy');", "s.he")
    installed = await host.installed(code)
    with pytest.raises(LoadError) as failed:
        await host.runtime.describe(installed, Limits())
    assert host.installer.imports_lacking(failed.value.error) == ["he"]
    assert await host.emitted(await host.installed(code, "he")) == "1.2.0"


async def test_what_cannot_be_had_is_named(host: Host, registry: Registry) -> None:
    registry.npm("known", "1.0.0", {"index.js": VERSION})
    for text, code in (
        ("require('no-such-package-here')", "package_not_found"),
        ("require('known@99')", "package_version_not_found"),
        ("require('known@never')", "package_version_not_found"),
        ("require('git+https://example.org/known')", "bad_import"),
        ("require('file:../known')", "bad_import"),
        ("import('https://example.org/known.js')", "bad_import"),
        ("import('jsr:@known/x')", "bad_import"),
    ):
        refused = await host.refused(component(text, "1"))
        assert refused.code == code, text
        assert "known" in str(refused) or "no-such-package-here" in str(refused)


async def test_an_unreachable_registry_is_named(host: Host) -> None:
    installer = host.with_settings(npm_registry="http://127.0.0.1:9")
    with pytest.raises(Refused, match="left-pad") as refused:
        await installer.name_for(component("require('left-pad')", "1"))
    assert refused.value.code == "registry_unreachable"


async def test_installs_may_be_switched_off(host: Host) -> None:
    installer = host.with_settings(allowed=False)
    with pytest.raises(Refused, match="left-pad") as refused:
        await installer.name_for(component("require('left-pad')", "1"))
    assert refused.value.code == "installs_off"


# --- hostile packages --------------------------------------------------------------------------


async def test_install_scripts_do_not_run(host: Host, registry: Registry) -> None:
    script = "node -e \"require('fs').writeFileSync('marker', '')\" || touch marker"
    scripts = dict.fromkeys(("preinstall", "install", "postinstall", "prepare"), script)
    registry.npm("scripted", "1.0.0", {"index.js": VERSION}, scripts=scripts)
    installed = await host.installed(component("const s = require('scripted');", "s.version"))
    assert await host.emitted(installed) == "1.0.0"
    assert not list(host.packages.rglob("marker"))


async def test_a_package_whose_links_lead_out_brings_nothing_in(
    host: Host, registry: Registry
) -> None:
    """Whether the tool leaves links of archives out or the check refuses them: no component can
    follow one."""
    registry.npm("linking", "1.0.0", {"index.js": VERSION, "passwd": Link("/etc/passwd")})
    registry.npm("climbing", "1.0.0", {"index.js": VERSION, "../../../../outside.js": "1"})
    for name in ("linking", "climbing"):
        code = component(f"const l = require('{name}');", "l.version", name)
        with suppress(Refused):
            assert await host.emitted(await host.installed(code)) == "1.0.0"
    assert not list(host.packages.rglob("outside.js"))
    for root, folders, files in os.walk(host.packages):
        for name in (*folders, *files):
            assert Path(root, name).resolve().is_relative_to(host.packages.resolve())


async def test_native_add_ons_are_refused(host: Host, registry: Registry) -> None:
    registry.npm("native", "1.0.0", {"index.js": VERSION, "build/x.node": b"\x7fELF"})
    refused = await host.refused(component("require('native')", "1"))
    assert refused.code == "package_refused"
    assert "native/build/x.node" in str(refused)
    assert not list(host.packages.rglob("x.node"))


async def test_sets_over_their_bounds_are_refused(host: Host, registry: Registry) -> None:
    registry.npm("heavy", "1.0.0", {"index.js": VERSION, "data": os.urandom(300_000)})
    installer = host.with_settings(most_bytes=200_000)
    with pytest.raises(Refused, match="bytes"):
        await installer.name_for(component("require('heavy')", "1"))
    installer = host.with_settings(most_files=3)
    with pytest.raises(Refused, match="files"):
        await installer.name_for(component("require('heavy')", "1"))


async def test_components_can_read_their_own_set_only_and_write_none(
    host: Host, registry: Registry
) -> None:
    registry.npm("mine", "1.0.0", {"index.js": VERSION})
    registry.npm("theirs", "1.0.0", {"index.js": VERSION})
    theirs = await host.installed(component("require('theirs')", "1", "t"))
    text = f"""
      const fs = require('fs'); const mine = require('mine');
      const own = require.resolve('mine');
      function attempt(act) {{ try {{ act(); return 'done' }} catch (e) {{ return e.code }} }}
      const other = '{host.packages}/{theirs.packages}/node_modules/theirs/index.js';"""
    value = """[attempt(() => fs.readFileSync(own)), attempt(() => fs.readFileSync(other)),
      attempt(() => fs.writeFileSync(own, 'x')), attempt(() => fs.writeFileSync(own + 'y', 'x'))]"""
    read, other, changed, added = await host.emitted(await host.installed(component(text, value)))
    assert read == "done"
    assert {other, changed, added}.isdisjoint({"done"})


async def test_what_the_tool_says_tells_no_place_of_this_machine(tmp_path: Path) -> None:
    said = f"error: failed to copy '{tmp_path}/code/node_modules/a/b.js': Too many open files"
    refused = why(Ended(1, b"", said.encode()), tmp_path)
    assert str(tmp_path) not in refused.error.message
    assert "failed to copy 'code/node_modules/a/b.js'" in refused.error.message
