"""Alerts and dashboard are PromQL over metrics, labels and codes that the server has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser as promql
import pytest

from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.server.metrics import Metrics
from ser_rt.server.protocol import CLOSE_CODES, STATUSES
from tests.support.source_tree import ROOT

yaml = pytest.importorskip("yaml", reason="needs PyYAML, which Ray depends on")

DEPLOY = ROOT / "deploy"
ENDINGS = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
    "info": ("_info",),
}
SCRAPED = {"instance", "job"}
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((DEPLOY / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana.json").read_text(encoding="utf-8"))
QUERIES = [(panel["title"], target) for panel in DASHBOARD["panels"] for target in panel["targets"]]


@pytest.fixture(scope="module")
def exported(classifier: OnnxClassifier) -> dict[str, set[str]]:
    """Labels by the name of every series of the server."""
    registry = Metrics(classifier)._registry
    declared = {
        getattr(one, "_name", ""): set(getattr(one, "_labelnames", ()))
        for one in registry._collector_to_names
    }
    found: dict[str, set[str]] = {}
    for metric in registry.collect():
        labels = SCRAPED | declared.get(metric.name, set())
        labels |= set().union(*(sample.labels for sample in metric.samples))
        found |= {metric.name + ending: labels for ending in ENDINGS[metric.type]}
    return found


def nodes(expression: Any) -> Iterator[Any]:
    """Every part of a parsed expression."""
    yield expression
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        if (child := getattr(expression, name, None)) is not None:
            yield from nodes(child)
    for child in getattr(expression, "args", ()):
        yield from nodes(child)


def check(query: str, exported: dict[str, set[str]]) -> set[str]:
    """Parse a query and check its series and labels; return the names of the series."""
    parts = list(nodes(promql.parse(query.replace("$__rate_interval", "5m"))))
    selectors = [part for part in parts if isinstance(part, promql.VectorSelector)]
    assert selectors, query
    known = set().union(*(exported[one.name] for one in selectors if one.name in exported))
    for one in selectors:
        assert one.name in exported, f"{one.name} is no series of the server: {query}"
        for matcher in one.matchers.matchers:
            assert matcher.name in exported[one.name], f"{one.name} has no label {matcher.name}"
    for part in parts:
        if isinstance(part, promql.AggregateExpr) and part.modifier is not None:
            assert set(part.modifier.labels) <= known, f"none has {part.modifier.labels}: {query}"
    return {one.name for one in selectors if one.name is not None}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_is_a_rule_over_what_there_is(
    rule: dict[str, Any], exported: dict[str, set[str]]
) -> None:
    assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert promql.parse_duration(rule["for"])
    check(rule["expr"], exported)
    shown = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    by = re.search(r"sum by \(([^)]*)\)", rule["expr"])
    assert shown <= (SCRAPED if by is None else set(by[1].split(", ")))
    codes = re.findall(r'code=~?"([^"]+)"', rule["expr"])
    known = {*STATUSES, *map(str, CLOSE_CODES.values())}
    assert {code for some in codes for code in some.split("|")} <= known


def test_alerts_have_names_of_their_own() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


@pytest.mark.parametrize(("title", "target"), QUERIES)
def test_a_panel_shows_what_there_is(
    title: str, target: dict[str, Any], exported: dict[str, set[str]]
) -> None:
    check(target["expr"], exported)
    legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
    by = re.search(r"by \(([^)]*)\)", target["expr"])
    assert legend <= (SCRAPED if by is None else set(by[1].split(", "))), title


def test_the_dashboard_shows_every_metric_of_the_server(exported: dict[str, set[str]]) -> None:
    shown = set().union(*(check(target["expr"], exported) for _, target in QUERIES))
    own = {name for name in exported if name.startswith("ser_")}
    families = {re.sub("_(total|bucket|sum|count|info)$", "", name) for name in own}
    assert {re.sub("_(total|bucket|sum|count|info)$", "", name) for name in shown} >= families


def test_panels_lie_side_by_side_over_one_source() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        own = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not own & cells, panel["title"]
        cells |= own
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    variables = {one["name"] for one in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD))) - {"__rate_interval", "__all"}
    assert used == variables


def test_a_query_that_is_none_is_found(exported: dict[str, set[str]]) -> None:
    with pytest.raises(ValueError, match="parenthesis"):
        check("sum by (code (rate(ser_refused_total[5m]))", exported)
    for wrong in ("ser_stream > 1", 'ser_streams{code="x"}', "sum by (code) (ser_streams)"):
        with pytest.raises(AssertionError):
            check(wrong, exported)
