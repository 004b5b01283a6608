"""Apps that need no account: component specification 3.5, decision 0052."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from apps.sources.keyless import keyless_of

NPM = 'module.exports = { type: "app", app: "npm" };'
CODE = 'const npm = require("../npm.app.js"); module.exports = { props: { npm }, run() {} };'
PYTHON = """
class Npm(App):
    slug = "npm"
    def headers(self):
        return HEADERS

class Counts(Source):
    npm = Npm()
"""


@dataclass
class Component:
    code: str
    files: dict[str, str] = field(default_factory=dict)
    props: list[dict[str, Any]] = field(default_factory=list)


def keyless(code: str, app: str = "npm", *others: dict[str, Any], **files: str) -> bool:
    prop = {"name": "npm", "type": "app", "app": app}
    return keyless_of(Component(code, files, [prop, *others]))(prop)


def test_3_5_an_app_whose_credentials_nothing_reads_needs_none() -> None:
    assert keyless(CODE, app_file=NPM)
    assert keyless('export default { props: { npm: { type: "app", app: `npm` } }, run() {} };')
    assert keyless(PYTHON.replace("HEADERS", '{"Authorization": "none"}'))


@pytest.mark.parametrize(
    "reading", ["this.$auth.key", "const { $auth } = this;", 'this["$auth"]', "// $auth"]
)
def test_3_5_wherever_it_is_read_an_account_is_needed(reading: str) -> None:
    assert not keyless(f"{CODE}\n{reading}", app_file=NPM)
    assert not keyless(CODE, app_file=NPM, shared=reading)


@pytest.mark.parametrize("reading", ['self.auth["token"]', 'getattr(self, "auth")'])
def test_3_5_in_python_too(reading: str) -> None:
    assert not keyless(PYTHON.replace("HEADERS", reading))


def test_3_5_an_app_out_of_a_package_may_read_it_unseen() -> None:
    assert not keyless('import npm from "@somebody/npm-app"; export default { props: { npm } };')


def test_3_5_events_of_an_app_come_for_an_account() -> None:
    hook = {"name": "hook", "type": "$.interface.apphook", "appProp": "npm"}
    assert not keyless(CODE, "npm", hook, app_file=NPM)


def test_3_5_the_platforms_own_apps_need_none_whatever_the_code_says() -> None:
    assert keyless("this.$auth", "rss")
