"""The page of a component: its code and what it declares, safe whatever strangers wrote in it."""

from __future__ import annotations

import html as escaping
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from apps.components.models import Component, PackageSet
from apps.panel import components as page_of_components
from apps.panel.highlighting import LONGEST, Highlighter
from apps.sources.models import Source
from tests.admin.operating import address, buttons, client_of, operator, section, text
from tests.services import making

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"
SEEING = ("components.view_component", "components.view_packageset", "sources.view_source")
CODE = 'class Weather:\n    """The weather."""\n\n    city = "Ulm"  # here\n'
PROPS: list[dict[str, Any]] = [
    making.TIMER,
    {"name": "token", "type": "string", "secret": True, "label": "Token"},
    {"name": "days", "type": "integer", "optional": True, "default": 3, "min": 1, "max": 7},
]


@pytest.fixture
def ada() -> User:
    return making.user("ada")


@pytest.fixture
def component(ada: User) -> Component:
    return making.component(ada, *PROPS, key="weather", version="0.0.3", code=CODE)


@pytest.fixture
def client(ada: User) -> Client:
    return client_of(operator(*SEEING))


def page(client: Client, component: Component) -> str:
    answer = client.get(address(component))
    assert answer.status_code == 200
    return text(answer)


def plain(html: str) -> str:
    """What a reader sees of it."""
    return escaping.unescape(re.sub(r"<[^>]+>", "", html))


def test_what_it_is_and_what_it_declares(client: Client, component: Component) -> None:
    Component.objects.filter(id=component.id).update(hooks=["deploy", "activate"])
    html = page(client, component)
    about = section(html, "component")
    for shown in ("weather", "0.0.3", "python", "ada", "deploy, activate"):
        assert shown in about
    token, days = section(html, "props").split("<tr>")[3:5]
    assert "secret" in token
    assert "Token" in token
    assert "optional" in days
    assert "&quot;max&quot;: 7" in days


def test_its_code_with_colours_and_numbers(client: Client, component: Component) -> None:
    html = section(page(client, component), "code")
    assert CODE in plain(html)
    assert html.count('class="hw-line"') == len(CODE.split("\n")) - 1
    assert '<span class="hl-k">class</span>' in html
    assert '<span class="hl-c1"># here</span>' in html


def test_the_files_beside_it(client: Client, component: Component, monkeypatch: Any) -> None:
    monkeypatch.setattr(page_of_components, "OPENED", 1)
    files = {"a/util.js": "const a = 1;", f"{HOSTILE}.txt": HOSTILE}
    Component.objects.filter(id=component.id).update(files=files)
    html = section(page(client, component), "files")
    assert '<span class="hl-kd">const</span>' not in html
    assert HOSTILE in plain(html)
    assert HOSTILE not in html
    assert "a/util.js (12 characters)" in html
    monkeypatch.setattr(page_of_components, "OPENED", 2)
    html = section(page(client, component), "files")
    assert "const" in html
    assert "const a = 1;" in plain(html)


def test_its_packages(client: Client, component: Component) -> None:
    named = PackageSet.objects.create(
        name="pip-1", language="python", runtime="python 3.11", manifest="six==1.17", lock="{}"
    )
    Component.objects.filter(id=component.id).update(packages=named)
    html = section(page(client, component), "packages")
    assert "six==1.17" in html
    assert "/components/packageset/pip-1/" in html


def test_the_sources_that_use_it(client: Client, component: Component, ada: User) -> None:
    own = making.source(ada, component, name="Weather", configured_props={"token": "hunter22"})
    other = making.source(ada, name="Other")
    html = section(page(client, component), "sources")
    assert own.id in html
    assert other.id not in html
    assert "hunter22" not in html


def test_the_versions_of_its_key(client: Client, component: Component) -> None:
    ada, bob = component.owner, making.user("bob")
    newer = making.component(ada, key="weather", version="0.0.4")
    strangers = making.component(bob, key="weather", version="0.0.9")
    html = section(page(client, component), "versions")
    assert f"{component.id} (this)" in html
    assert newer.id in html
    assert strangers.id not in html
    assert 'id="hw-versions"' not in page(client, making.component(ada))


def test_an_operator_sees_what_their_permissions_say(component: Component, ada: User) -> None:
    made = making.source(ada, component, configured_props={"token": "x"})
    html = page(client_of(operator("components.view_component")), component)
    assert made.id not in html
    assert buttons(html) == []
    stranger = client_of(operator("sources.view_source", name="otto"))
    assert stranger.get(address(component)).status_code == 403
    assert client_of(ada).get(address(component)).status_code == 302


@pytest.mark.parametrize(
    "code",
    [
        HOSTILE,
        f'"{HOSTILE}" # {HOSTILE}\n\'&lt;b&gt;"',
        "a = '\u202e\u0007\u200b'\r\n\rb",
        "{" * 50_000,
        "x" * 300_000,
        "",
    ],
    ids=["HTML", "HTML in words", "controls", "deep", "long", "empty"],
)
def test_code_is_only_read(client: Client, component: Component, code: str) -> None:
    Component.objects.filter(id=component.id).update(
        code=code, description=code, files={f"{one}.py": code for one in range(3)}
    )
    html = page(client, component)
    assert "<script>alert" not in html
    assert not {"\u202e", "\u0007", "\u200b"} & set(html)
    assert len(html) < 600_000


def test_colours_never_change_what_is_read() -> None:
    hostile = f'{HOSTILE}\n"""{HOSTILE}\n  \n&amp; f"{{x!r}}" \\\n'
    for seconds in (0.0, 60.0):
        for path in ("a.py", "a.mjs", "a.ts", "a.json", "a.txt", "a", HOSTILE):
            html = Highlighter(seconds).html(hostile, path, 1000)
            assert plain(html).rstrip("\n") == hostile.rstrip("\n"), path
            assert "<script>" not in html


@pytest.mark.parametrize(
    "line",
    ["\n ", "a." * 150, "?." * 150, "match" + " " * 290, '"%' + "0" * 290, "from ." * 49],
    ids=["blank", "dots", "questions", "match", "percent", "imports"],
)
def test_no_text_keeps_the_page_waiting(line: str) -> None:
    """One expression looks through the rest at each step: a minute, were there no end."""
    found = "\n".join([line] * (LONGEST // (len(line) + 1)))
    colours = Highlighter(0.1)
    for path in ("a.py", "a.js", "a.ts", "a.json"):
        assert plain(colours.html(found, path, LONGEST)) == found


def test_long_lines_and_texts_have_no_colours() -> None:
    colours = Highlighter(60)
    for code in ("match" + " " * 2_000, "x = 1\n" * 40_000):
        assert "hl-" not in colours.html(code, "a.py", 10**6)


def test_each_query_is_bounded(client: Client, component: Component, ada: User) -> None:
    """As many for a component that is used as for one that is not; each walks an index."""
    page(client, component)
    with CaptureQueriesContext(connection) as before:
        page(client, component)
    for n in range(30):
        making.component(ada, key="weather", version=f"0.1.{n}")
        making.source(ada, component, configured_props={"token": "x"})
    with CaptureQueriesContext(connection) as after:
        html = page(client, component)
    assert len(after) == len(before)
    assert section(html, "versions").count("<tr>") == 21
    assert section(html, "sources").count("<tr>") == 21


def copy(row: Component | Source, *changes: dict[str, str]) -> None:
    """One more row for each of the changes."""
    facts = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    for n, change in enumerate(changes):
        type(row).objects.create(**facts | {"id": f"{row.id}{n}"} | change)


@pytest.mark.parametrize("of", ["sources", "versions", "versions of the registry"])
def test_an_index_has_the_order_that_is_shown(component: Component, ada: User, of: str) -> None:
    """Among others of the owner: of a few rows in all, any index is as good to the planner."""
    shared = making.component(None, *PROPS, key="weather")
    made = making.source(ada, component, configured_props={"token": "x"})
    for row in (component, shared):
        copy(row, *({"key": f"key-{n}"} for n in range(100)))
    copy(made, *({"component_id": shared.id, "name_slug": f"n-{n}"} for n in range(100)))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE components_component, sources_source")
        for way in ("seqscan", "bitmapscan", "sort"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
    used = Source.objects.filter(component_id=component.id).order_by("-created_at", "-id")
    versions = Component.objects.filter(key="weather").order_by("owner_id", "-created_at", "-id")
    rows, index = {
        "sources": (used, "source_component"),
        "versions": (versions.filter(owner_id=ada.id), "component_versions"),
        "versions of the registry": (versions.filter(owner_id=None), "component_versions"),
    }[of]
    plan = rows[:20].explain()
    assert index in plan
    assert "Sort" not in plan
