"""docs/conformance.md names the tests that there are."""

from __future__ import annotations

import pytest

from tests.conformance import PAGE, collect, names, page, rules_of


def test_the_page_is_up_to_date() -> None:
    assert names(PAGE.read_text()) == names(page({})), "run: make conformance"


@pytest.mark.parametrize(
    ("name", "told", "rules"),
    [
        ("test_t8_both_forms", "", {"T8"}),
        ("test_o12_o13_the_list", "", {"O12", "O13"}),
        ("test_7_3_absent_is_empty", "", {"7.3"}),
        ("test_18b_stops", "", {"18b"}),
        ("test_404_is_no_rule", "", set()),
        ("test_named_in_its_docstring", "F17: a PUT waits, so G10 holds.", {"F17", "G10"}),
    ],
)
def test_a_test_names_its_rules(name: str, told: str, rules: set[str]) -> None:
    assert rules_of(name, told) == rules


def test_most_rules_are_named() -> None:
    assert len(collect()) > 60
