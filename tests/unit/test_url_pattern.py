"""The description of a webhook's `url` is true: whatever is taken matches its pattern."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.api.openapi.webhooks import OPERATIONS
from apps.core.addresses import BadUrl, Policy, Target, check_url

(URL,) = (
    parameter.schema
    for operation in OPERATIONS
    if operation.id == "createWebhook"
    for parameter in operation.query
    if parameter.name == "url"
)
ALWAYS, TAKEN = (re.compile(one["pattern"].removesuffix("$") + r"\Z") for one in URL["anyOf"])
ODD = st.text("aZ9_.-:/?#@[]\\%&=+ \n\u2028\u00fcß①。", max_size=12)


def _taken(url: str) -> bool:
    try:
        Target(url)
    except BadUrl:
        return False
    return True


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com", "HTTP://Example.COM:80?x=1", "https://example.com:/a#frag",
        "http://bücher.example/ü", "http://h/a%2Fb?c=%20d&e[]=1@2", "http://[2606:4700::1]:81/",
        "http://8.8.8.8/", "http://a_b.example.:065", "https://x/?a=[1]#/?",
    ],
)  # fmt: skip
def test_what_is_taken_matches(url: str) -> None:
    assert _taken(url)
    assert TAKEN.match(url)


@pytest.mark.parametrize(
    "url",
    [
        "", "http://", "http:///a", "ftp://example.com", "//example.com", "http:example.com",
        "http://u:p@example.com/", "http://a b/", "http://a/\n", "http://a\\b/", "http://h:x/",
        "http://[::1", "http://a[2606:4700::1]/", "http://[2606:4700::1]b/",
    ],
)  # fmt: skip
def test_what_does_not_match_is_refused(url: str) -> None:
    assert not TAKEN.match(url)
    assert not _taken(url)


@given(ODD, ODD, ODD)
def test_no_url_is_taken_that_does_not_match(host: str, port: str, path: str) -> None:
    for url in (f"http://{host}", f"http://{host}:{port}/{path}", f"http://[{host}]{port}", host):
        assert TAKEN.match(url) or not _taken(url)


@given(st.from_regex(ALWAYS))
def test_the_narrow_pattern_is_always_taken(url: str) -> None:
    assert TAKEN.match(url)
    check_url(url, Policy())
