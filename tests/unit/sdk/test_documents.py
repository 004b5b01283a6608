"""Every example in the reference of `docs/components.md` runs, and does what its text says.

Those of the guide above it are those of `tests/api/test_guide.py`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any

import headwater
import pytest

from tests.components.server import serving
from tests.runtime.python.child import ROOT, Child

TEXT = (ROOT / "docs" / "components.md").read_text("utf-8")
NAMES = TEXT.partition("\n### The names in JavaScript\n")[2].partition("\n### ")[0]
TYPES = (ROOT / "templates/component/types/headwater.d.ts").read_text("utf-8")
REFERENCE = TEXT.partition("\n## Reference\n")[2]
EXAMPLES = {
    match["name"]: match["code"]
    for match in re.finditer(
        r"```python\n(?P<code># (?P<name>\w+)\.py\n.*?)```", REFERENCE, re.DOTALL
    )
}
ENDPOINT = {"http": {"endpoint": "http://x/h/1", "custom_response": False}}
WAITING = {"http": {"endpoint": "http://x/h/1", "custom_response": True}}


def counter(child: Child) -> None:
    ran = child.invoke(store={"count": 41}).ok()
    assert ran.events == [{"count": 42}]
    assert ran.store() == {"count": 42}


def signed(child: Child) -> None:
    signature = hmac.new(b"key", b"[1]", hashlib.sha256).hexdigest()
    for given, status, events in ((signature, 200, [[1]]), ("no", 400, [])):
        request: dict[str, Any] = {
            "method": "POST",
            "path": "/",
            "query": {},
            "headers": {"x-signature": given},
            "body": [1],
            "bodyRaw": "[1]",
        }
        ran = child.invoke(props={"secret": "key", **WAITING}, event=request).ok()
        assert ran.events == events
        assert ran.of("respond")[0].header["status"] == status


def hooks(child: Child) -> None:
    store = child.invoke("activate", props=ENDPOINT).ok().store()
    assert store == {"registered": "http://x/h/1"}
    assert child.invoke("deactivate", props=ENDPOINT, store=store).ok().store(store) == {}
    assert child.invoke(event=1).ok().events == [1]


def app(child: Child) -> None:
    props = {"github": {"auth": {"oauth_access_token": "t"}}, "repo": "a/b"}
    assert child.invoke(props=props).ok().events == [{"repo": "a/b", "signed_in": True}]


def changes(child: Child) -> None:
    with serving() as site:
        site.always(b"12345", ETag='"1"')
        ran = child.invoke(props={"url": site.address}).ok()
        assert ran.events == [{"bytes": 5}]
        assert "headwater.http" in ran.store()


def errors(child: Child) -> None:
    assert child.invoke(props={"token": "tok_1"}, source_id="dc_9").ok().events == ["dc_9"]
    ran = child.invoke(props={"token": "x"})
    assert ran.error["code"] == "configuration_error"
    assert ran.logs == [("warn", "checking")]


def asynchronous(child: Child) -> None:
    ran = child.invoke().ok()
    assert ran.events == [["left", "right"]]
    assert ran.reuse is True


CHECKS: dict[str, Callable[[Child], None]] = {
    check.__name__: check for check in (counter, signed, hooks, app, changes, errors, asynchronous)
}


def test_every_example_has_a_check() -> None:
    assert EXAMPLES.keys() == CHECKS.keys()
    assert REFERENCE.count("```python") == len(EXAMPLES)


@pytest.mark.parametrize("name", CHECKS)
def test_the_example_runs(name: str) -> None:
    with Child(EXAMPLES[name]) as child:
        assert child.loaded is not None, child.failed
        CHECKS[name](child)


def test_every_name_of_the_package_is_documented() -> None:
    missing = [name for name in headwater.__all__ if f"`{name}" not in TEXT and name[0] != "_"]
    assert missing == []


def test_every_name_of_the_types_for_javascript_is_documented() -> None:
    """Those of members and of prop types; the names of the types themselves are for editors."""
    told = set(re.findall(r"\$\.\w+\.\w+|\w+\[\]", NAMES)) | set(re.findall(r"\$?\w+", NAMES))
    members = set(re.findall(r"(?:^ +|readonly |[{;&] )(\$?\w+)\??[:(]", TYPES, re.MULTILINE))
    kinds = set(re.findall(r'"([$\w.]+(?:\[\])?)"', TYPES))
    assert {"$emit", "respond", "interval_seconds"} < members
    assert {"$.service.db", "string[]"} < kinds
    assert (members | kinds) - told == set()
