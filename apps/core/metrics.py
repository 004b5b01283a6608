"""What each process counts, and how the counts of all processes become one answer.

Prometheus' own client counts in memory; every few seconds a process writes the sums into its row
(`apps.runs.processes`), and `/metrics` of any web process adds up the rows. Counters only ever
rise: what a process that is no more has counted is kept in a row of the past. So the sums are right
with any number of processes and hosts, and there is one address to scrape.

Which metrics there are stands in `apps.core.measures`; units and meanings in docs/observability.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import orjson
from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

# The one thing of the client that is made anew at each scrape, and what an exposition is sent as.
Gauge = GaugeMetricFamily
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

# A name and its labels, as JSON of `[name, label, value, …]` → the sum.
Sums = dict[str, float]

# When a series began is not known of sums over processes.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library left it without types
REGISTRY = CollectorRegistry(auto_describe=False)
# What was counted already when this process began the row that it has now.
_base: Sums = {}


def _samples() -> Sums:
    return {_key(s): s.value for family in REGISTRY.collect() for s in family.samples}


def _key(sample: Sample) -> str:
    labels = (part for pair in sample.labels.items() for part in pair)
    return orjson.dumps([sample.name, *labels]).decode()


def snapshot() -> bytes:
    """What this process has counted since it began its row; nothing of what is still 0."""
    return dump({key: value - _base.get(key, 0.0) for key, value in _samples().items()})


def rebase() -> None:
    """Count from here: the row of this process is gone, and what it held is kept elsewhere."""
    _base.update(_samples())


def dump(sums: Mapping[str, float]) -> bytes:
    return orjson.dumps({key: value for key, value in sums.items() if value})


def merged(rows: Iterable[bytes]) -> Sums:
    """The sums over rows. Of a metric that this version does not know, they are kept as well."""
    total: Sums = {}
    for row in rows:
        for key, value in orjson.loads(row).items():
            total[key] = total.get(key, 0.0) + value
    return total


def families(sums: Mapping[str, float]) -> list[Metric]:
    """The metrics that this version knows, with these values; what was never counted is 0."""
    values = {**dict.fromkeys(_samples(), 0.0), **sums}
    by_name: dict[str, list[Sample]] = {}
    for key, value in values.items():
        name, *labels = orjson.loads(key)
        pairs = dict(zip(labels[::2], labels[1::2], strict=True))
        by_name.setdefault(name, []).append(Sample(name, pairs, value))
    found = []
    for family in REGISTRY.collect():
        metric = Metric(family.name, family.documentation, family.type)
        names = [family.name + ending for ending in ("_bucket", "_sum", "_count", "_total")]
        metric.samples = sorted((s for n in names for s in by_name.get(n, ())), key=_order)
        found.append(metric)
    return found


def _order(sample: Sample) -> tuple[list[str], list[str], int, float]:
    """A histogram of one set of labels at a time: its buckets rising, its sum, its count."""
    others = {name: value for name, value in sample.labels.items() if name != "le"}
    kind = ("_bucket", "_count", "_sum", "_total").index("_" + sample.name.rpartition("_")[2])
    return list(others), list(others.values()), kind, float(sample.labels.get("le", 0))


class _Given(Collector):
    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Sequence[Metric]:
        return self._metrics


def exposition(metrics: Sequence[Metric]) -> bytes:
    """Prometheus' text format."""
    return generate_latest(_Given(metrics))
