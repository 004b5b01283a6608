"""Names and slugs (component specification 8)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.components.slugs import MAX_LENGTH, first_free, slugify


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Hello, World!", "hello-world"),
        ("cronjob.js", "cronjob-js"),
        ("Ünï çödé", "uni-code"),
        ("--a__b--", "a-b"),
        ("日本語", "source"),
        ("", "source"),
        ("ﬁne Ⅷ", "fine-viii"),
        ("x" * 100, "x" * 64),
        ("a" * 63 + " b", "a" * 63),
    ],
)
def test_slugify(name: str, slug: str) -> None:
    assert slugify(name) == slug


@given(st.text())
def test_a_slug_is_its_own_slug(name: str) -> None:
    slug = slugify(name)
    assert slug == slugify(slug)
    assert 0 < len(slug) <= MAX_LENGTH
    assert set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_the_lowest_free_number() -> None:
    assert first_free("a", set()) == "a"
    assert first_free("a", {"a"}) == "a-1"
    assert first_free("a", {"a", "a-1", "a-3"}) == "a-2"
    assert first_free("a", {"a-1"}) == "a"
