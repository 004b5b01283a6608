"""`requires` of Python components: wheels only, installed once, used without an index."""

from __future__ import annotations

import asyncio

import pytest

from apps.runs.contract import Code
from tests.packages.conftest import Host
from tests.packages.registry import Registry
from workers.runtime.packages.refusal import Refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


def component(requires: str, value: str, before: str = "", name: str = "p") -> Code:
    text = (
        f"from headwater import Source\n{before}\n"
        f"class A(Source):\n    name = 'a'\n    requires = {requires}\n"
        f"    def run(self):\n        self.emit({value})\n"
    )
    return Code("o", name, "python", text)


async def test_requires_are_installed_with_what_they_need(host: Host, registry: Registry) -> None:
    registry.pip("basis", "1.0", {"basis.py": "x = 1"})
    registry.pip("basis", "2.0", {"basis.py": "x = 2"})
    registry.pip("upper", "1.0", {"upper.py": "from basis import x"}, ("basis<2",))
    code = component('["upper>=1"]', "upper.x", "import upper")
    installed = await host.installed(code)
    assert await host.emitted(installed) == 1
    assert installed.packages is not None
    resolved = host.rows.kept[installed.packages]
    assert resolved.manifest == "upper>=1\n"
    assert resolved.lock.startswith("basis==1.0 --hash=sha256:")


async def test_they_go_before_what_the_platform_brings_along(
    host: Host, registry: Registry
) -> None:
    registry.pip("feedparser", "99.0", {"feedparser.py": "__version__ = '99.0'"})
    code = component('["feedparser>=99"]', "feedparser.__version__", "import feedparser")
    assert await host.emitted(await host.installed(code)) == "99.0"
    plain = Code("o", "plain", "python", code.text.replace('["feedparser>=99"]', "[]"))
    assert await host.installer.name_for(plain) is None
    assert await host.emitted(plain) != "99.0"


async def test_twice_at_once_is_one_install(host: Host, registry: Registry) -> None:
    registry.pip("once", "1.0", {"once.py": ""})
    before = host.installer.installs
    codes = [component('["once"]', "1", name=str(n)) for n in range(3)]
    names = await asyncio.gather(*map(host.installer.name_for, codes))
    assert len(set(names)) == 1
    assert host.installer.installs == before + 1


async def test_what_cannot_be_had_is_named(host: Host, registry: Registry) -> None:
    registry.pip("known", "1.0", {"known.py": ""})
    registry.sdist("source-only", "1.0", {"setup.py": "raise SystemExit('executed')"})
    for requires, code in (
        ('["nowhere-to-be-had"]', "package_not_found"),
        ('["known>=9"]', "package_version_not_found"),
        ('["source-only"]', "package_not_found"),
        ('["known @ https://example.org/known.whl"]', "bad_import"),
        ('["../known"]', "bad_import"),
        ('["--index-url=http://known"]', "bad_import"),
        ("'known'", "bad_import"),
        ("list(known)", "bad_import"),
    ):
        refused = await host.refused(component(requires, "1"))
        assert refused.code == code, requires
        assert any(part in str(refused) for part in ("known", "nowhere", "source-only", "requires"))


async def test_an_unreachable_index_is_named(host: Host) -> None:
    installer = host.with_settings(
        pip=(("index-url", "http://127.0.0.1:9/simple"), ("extra-index-url", ""))
    )
    with pytest.raises(Refused, match="left") as refused:
        await installer.name_for(component('["left"]', "1"))
    assert refused.value.code == "registry_unreachable"


async def test_requires_are_read_and_not_executed(host: Host, registry: Registry) -> None:
    """Code that would fail, or do something, is not run to learn what it requires."""
    registry.pip("read", "1.0", {"read.py": ""})
    code = component('("read",)', "1", "raise SystemExit('executed')")
    assert await host.installer.name_for(code) is not None
