"""GET /components/search: REST specification 5.2, index row 9."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from apps.components.models import Component
from tests.api.conftest import Api, assert_error
from tests.services import making

REGISTRY = [
    ("github-new-issue", "New Issue", "Emit an event for each issue opened in a repository"),
    ("github-new-star", "New Star", "Emit an event when a repository is starred"),
    ("rss-new-item-in-feed", "New Item in Feed", "Emit new items from an RSS or Atom feed"),
    ("zoom-meeting-ended", "Meeting Ended", "Emit an event when a meeting has ended"),
]


@pytest.fixture
def registry(db: None) -> list[Component]:
    return [
        making.component(None, key=key, name=name, description=description)
        for key, name, description in REGISTRY
    ]


def search(caller: Api, query: str, **more: Any) -> dict[str, Any]:
    data: dict[str, Any] = caller.json("/components/search?" + urlencode({"query": query, **more}))[
        "data"
    ]
    return data


def found(caller: Api, query: str, **more: Any) -> list[str]:
    sources: list[str] = search(caller, query, **more)["sources"]
    return sources


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("github issue", "github-new-issue"),
        ("github-new-issue", "github-new-issue"),
        ("New Issue", "github-new-issue"),
        ("issues", "github-new-issue"),
        ("opened", "github-new-issue"),
        ("starred repositories", "github-new-star"),
        ("rss", "rss-new-item-in-feed"),
        ("ATOM feeds", "rss-new-item-in-feed"),
        ("zoom", "zoom-meeting-ended"),
        # Mistyped, and half a word: no word of it is the same.
        ("gihtub isue", "github-new-issue"),
        ("meetng", "zoom-meeting-ended"),
        ("meet", "zoom-meeting-ended"),
    ],
)
def test_5_2_finds_by_key_name_and_description(
    alice: Api, registry: Any, query: str, best: str
) -> None:
    assert found(alice, query)[0] == best


def test_5_2_an_exact_key_scores_one_and_scores_fall(alice: Api, registry: Any) -> None:
    data = search(alice, "github-new-issue", debug="true", similarity_threshold="0")
    assert data["actions"] == []
    scores = [each["score"] for each in data["scores"]]
    assert scores[0] == 1
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)
    assert [each["key"] for each in data["scores"]] == data["sources"]
    assert set(data["scores"][0]) == {"id", "key", "overlap", "similarity", "score"}


def test_5_2_key_and_name_weigh_more_than_the_description(alice: Api, registry: Any) -> None:
    making.component(None, key="x-starred", name="Starred", description=None)
    assert found(alice, "starred")[:2] == ["x-starred", "github-new-star"]
    [opened] = search(alice, "opened", debug="1")["scores"]
    [named] = search(alice, "zoom", debug="1")["scores"]
    assert (opened["overlap"], named["overlap"]) == (0.6, 1)


def test_5_2_scores_only_with_debug(alice: Api, registry: Any) -> None:
    assert set(search(alice, "rss")) == {"sources", "actions"}
    assert set(search(alice, "rss", debug="0")) == {"sources", "actions"}


def test_5_2_the_threshold(alice: Api, registry: Any) -> None:
    everything = search(alice, "github issue", similarity_threshold="0", debug="1")["scores"]
    cut = everything[1]["score"]
    kept = search(alice, "github issue", similarity_threshold=str(cut - 0.0001))["sources"]
    assert kept == [each["key"] for each in everything if each["score"] >= cut]
    assert found(alice, "nothing of this kind here") == []
    assert found(alice, "github-new-issue", similarity_threshold="1") == ["github-new-issue"]


def test_5_2_app(alice: Api, registry: Any) -> None:
    making.component(
        None, {"name": "g", "type": "app", "app": "github"}, key="by-prop", name="Issue of mine"
    )
    assert sorted(found(alice, "issue", app="github")) == ["by-prop", "github-new-issue"]
    assert found(alice, "issue", app="git") == []
    assert found(alice, "issue", app='"') == []
    assert found(alice, "issue", app="%") == []


def test_5_2_own_components_and_nobody_elses(alice: Api, bob: Api, registry: Any) -> None:
    mine = making.component(alice.user, name="Walrus watch", key=None)
    making.component(alice.user, name="Walrus count", key="walrus-count")
    assert sorted(found(alice, "walrus")) == sorted([mine.id, "walrus-count"])
    assert found(bob, "walrus") == []


def test_5_2_one_of_each_key_the_newest(alice: Api, registry: Any) -> None:
    making.component(None, key="rss-new-item-in-feed", name="Feed", description="Walrus")
    assert found(alice, "walrus") == ["rss-new-item-in-feed"]
    assert found(alice, "atom") == []
    making.component(alice.user, key="rss-new-item-in-feed", name="My own", description="Penguin")
    assert found(alice, "penguin") == ["rss-new-item-in-feed"]
    assert found(alice, "walrus") == []


@pytest.mark.parametrize(
    "query",
    ["the", "'", "\\", "a:*", "!x & |", "((", "<->", "%", "💥", "é", "x" * 1024, "a " * 500],
)
def test_strange_queries_find_or_do_not(alice: Api, registry: Any, query: str) -> None:
    assert isinstance(found(alice, query), list)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "query"),
        ("query=", "query"),
        ("query=%20", "query"),
        ("query=" + "x" * 1025, "query"),
        ("query=a%00b", "query"),
        ("query=a&similarity_threshold=2", "similarity_threshold"),
        ("query=a&similarity_threshold=-0.1", "similarity_threshold"),
        ("query=a&similarity_threshold=nan", "similarity_threshold"),
        ("query=a&similarity_threshold=1e999", "similarity_threshold"),
        ("query=a&similarity_threshold=", "similarity_threshold"),
        ("query=a&debug=maybe", "debug"),
        ("query=a&app=%00", "app"),
        ("query=a&app=" + "x" * 201, "app"),
    ],
)
def test_bad_input_names_the_parameter(alice: Api, query: str, parameter: str) -> None:
    assert_error(alice.get(f"/components/search?{query}"), 400, parameter=parameter)


def test_include(alice: Api, registry: Any) -> None:
    assert set(search(alice, "rss", include="sources")) == {"sources"}


def test_search_is_no_key(alice: Api) -> None:
    making.component(alice.user, key="search", name="Search")
    assert_error(alice.get("/components/search"), 400, parameter="query")
    assert_error(alice.call("POST", "/components/search", {}), 405)
