"""The dashboard and the alerts: each expression can be read, and asks for what `/metrics` tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import promql_parser as promql
import pytest
import yaml
from prometheus_client.metrics_core import Metric

from tests.api.test_metrics import documented, scraped, token
from tests.processes import ROOT

__all__ = ["token"]

BOARD = orjson.loads((ROOT / "deploy/grafana/headwater.json").read_bytes())
RULES = yaml.safe_load((ROOT / "deploy/prometheus/headwater.rules.yml").read_text())
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
# What Prometheus adds to each series of a target.
ADDED = {"job", "instance"}
RISING = ("rate", "increase")


def panels() -> Iterator[dict[str, Any]]:
    yield from (panel for panel in BOARD["panels"] if panel["type"] != "row")


def plain(expression: str) -> str:
    """Grafana's variables replaced by what they stand for."""
    return expression.replace("$__rate_interval", "2m").replace("$job", "headwater")


def of_board() -> dict[str, str]:
    """Expressions by a name for each."""
    return {
        f"{panel['title']} {target['refId']}": plain(target["expr"])
        for panel in panels()
        for target in panel["targets"]
    }


EXPRESSIONS = of_board() | {name: rule["expr"] for name, rule in ALERTS.items()}


@dataclass(frozen=True)
class Asked:
    """One selector: of which metric, with which matchers, and the function over its range."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]
    function: str | None


def asked(expression: str) -> list[Asked]:
    found: list[Asked] = []

    def selector(one: Any, function: str | None) -> None:
        matchers = tuple(
            (m.name, str(m.op).rpartition(".")[2], m.value) for m in one.matchers.matchers
        )
        found.append(Asked(one.name, matchers, function))

    def go(node: Any, function: str | None = None) -> None:
        match node:
            case promql.VectorSelector():
                selector(node, function)
            case promql.MatrixSelector():
                selector(node.vector_selector, function)
            case promql.Call():
                for argument in node.args:
                    go(argument, node.func.name)
            case promql.BinaryExpr():
                go(node.lhs)
                go(node.rhs)
            case promql.AggregateExpr() | promql.ParenExpr():
                go(node.expr)
            case promql.NumberLiteral():
                pass
            case _:
                raise AssertionError(f"not foreseen: {node}")

    go(promql.parse(expression))
    return found


class Told:
    """What `/metrics` tells: kinds of metrics by the names of their series, labels, values."""

    def __init__(self, found: dict[str, Metric]) -> None:
        self.kinds: dict[str, str] = {}
        self.labels: dict[str, set[str]] = {}
        self.values: dict[tuple[str, str], set[str]] = {}
        for name, kind, labels in documented():
            endings = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
            for ending in endings:
                self.kinds[name + ending] = kind
                self.labels[name + ending] = labels | ({"le"} if ending == "_bucket" else set())
        for family in found.values():
            for sample in family.samples:
                for label, value in sample.labels.items():
                    self.values.setdefault((sample.name, label), set()).add(value)


@pytest.fixture
def told(db: None, token: str) -> Told:
    return Told(scraped(token))


def test_each_expression_asks_for_what_is_told(told: Told) -> None:
    """Its names, its labels, and the values of labels that have a fixed list of them."""
    for where, expression in EXPRESSIONS.items():
        for one in asked(expression):
            if one.name == "up":
                continue
            assert one.name in told.kinds, where
            for label, op, value in one.matchers:
                if label in ADDED:
                    continue
                assert label in told.labels[one.name], where
                assert op in ("Equal", "Re"), where
                for each in value.split("|"):
                    assert each in told.values[one.name, label], f"{where}: {label}={each}"


def test_rates_are_of_what_only_rises_and_nothing_else_is_shown_raw(told: Told) -> None:
    for where, expression in EXPRESSIONS.items():
        for one in asked(expression):
            rising = told.kinds.get(one.name, "gauge") != "gauge"
            assert rising == (one.function in RISING), f"{where}: {one}"


def test_groups_and_legends_name_labels_that_are_there(told: Told) -> None:
    """A quantile without `le` would be empty, and so would a legend of a label summed away."""

    def groups(node: Any) -> Iterator[tuple[set[str], str]]:
        for labels, name in re.findall(r"sum by \(([^)]*)\) \(\s*(?:\w+\()?(headwater\w+)", node):
            yield {label.strip() for label in labels.split(",")}, name

    for where, expression in EXPRESSIONS.items():
        for labels, name in groups(expression):
            assert labels <= told.labels[name] | ADDED, where
        if "histogram_quantile" in expression:
            [(labels, name)] = groups(expression)
            assert name.endswith("_bucket"), where
            assert "le" in labels, where
    for panel in panels():
        for target in panel["targets"]:
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            kept = [labels for labels, _ in groups(target["expr"])]
            there = kept[0] if kept else told.labels[asked(plain(target["expr"]))[0].name]
            assert shown <= there, panel["title"]


def test_every_metric_is_on_the_board(told: Told) -> None:
    shown = {one.name for expression in of_board().values() for one in asked(expression)}
    bare = {re.sub("_(bucket|sum|count)$", "", name) for name in told.kinds}
    assert bare - {re.sub("_(bucket|sum|count)$", "", name) for name in shown} == set()


def test_the_board_is_one_that_grafana_takes() -> None:
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells)
        taken |= cells
    variables = {variable["name"] for variable in BOARD["templating"]["list"]}
    named = set(re.findall(r"\$\{?(\w+)", orjson.dumps(BOARD).decode()))
    assert named <= variables | {"__rate_interval"}
    for panel in panels():
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_it_is_and_what_to_do(name: str) -> None:
    rule = ALERTS[name]
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert name.startswith("Headwater")
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]
    if "for" in rule:
        promql.parse_duration(rule["for"])
    by = set(re.findall(r"\$labels\.(\w+)", orjson.dumps(rule["annotations"]).decode()))
    grouped = re.search(r"by \(([^)]*)\)", rule["expr"])
    assert by <= (set(grouped[1].split(", ")) if grouped else ADDED)


def test_the_reader_of_expressions_reads_them() -> None:
    assert asked('sum(rate(x_total{a="b", c=~"d|e"}[5m])) / y') == [
        Asked("x_total", (("a", "Equal", "b"), ("c", "Re", "d|e")), "rate"),
        Asked("y", (), None),
    ]
    with pytest.raises(ValueError, match="unclosed"):
        asked("sum(rate(x_total)")
