"""The manifests of deploy/kubernetes are of Kubernetes' schemas, fit each other and the server."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import kubernetes_validate as schemas
import pytest

import ser_rt
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.server.app import make_app
from ser_rt.server.cli import parse
from ser_rt.server.metrics import Metrics
from ser_rt.server.service import Service
from tests.support.source_tree import ROOT

yaml = pytest.importorskip("yaml", reason="needs PyYAML, which Ray depends on")

FOLDER = ROOT / "deploy" / "kubernetes"
OLDEST = "1.31"
"""preStop with sleep is on by default from 1.30 on."""

Manifest = dict[str, Any]


@pytest.fixture
def manifests() -> dict[str, Manifest]:
    found = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.yaml")]
    return {one["kind"]: one for one in found}


@pytest.fixture
def pod(manifests: dict[str, Manifest]) -> Manifest:
    spec: Manifest = manifests["Deployment"]["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("version", [OLDEST, schemas.latest_version()])
def test_manifests_are_of_the_schemas(manifests: dict[str, Manifest], version: str) -> None:
    whole = manifests.pop("Kustomization")
    assert whole["images"][0]["newTag"] == ser_rt.__version__
    listed = whole["resources"]
    assert len(listed) == len(manifests) == 5
    for manifest in manifests.values():
        schemas.validate(manifest, version, strict=True)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda spec: spec.pop("selector"),
        lambda spec: spec["template"]["spec"].update(volumes=[{"name": "x", "secrets": {}}]),
        lambda spec: spec["template"]["spec"]["containers"][0].pop("name"),
        lambda spec: spec["template"]["spec"]["containers"][0].update(
            ports=[{"containerPort": "x"}]
        ),
    ],
)
def test_what_is_no_manifest_is_found(
    manifests: dict[str, Manifest], spoil: Callable[[Manifest], object]
) -> None:
    spoilt = copy.deepcopy(manifests["Deployment"])
    spoil(spoilt["spec"])
    with pytest.raises(schemas.ValidationError):
        schemas.validate(spoilt, schemas.latest_version(), strict=True)


def test_all_choose_the_pods_of_the_deployment(
    manifests: dict[str, Manifest], pod: Manifest
) -> None:
    deployment = manifests["Deployment"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    chosen = [
        deployment["selector"]["matchLabels"],
        manifests["Service"]["spec"]["selector"],
        manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        manifests["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ]
    assert all(one == labels for one in chosen)
    names = {manifest.get("metadata", {}).get("name") for manifest in manifests.values()}
    assert names == {None, "ser-rt"}  # the list of all has no name
    target = manifests["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", "ser-rt")


def test_nothing_runs_with_rights_and_the_keys_are_for_one_group(pod: Manifest) -> None:
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    user = pod["securityContext"]["runAsUser"]
    assert f"USER {user}" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert pod["securityContext"]["fsGroup"] == user
    [container] = pod["containers"]
    context = container["securityContext"]
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    [secret] = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
    assert secret["defaultMode"] == 0o440


def test_probes_and_ports_are_those_of_the_server(
    manifests: dict[str, Manifest], pod: Manifest, classifier: OnnxClassifier
) -> None:
    [container] = pod["containers"]
    [port] = container["ports"]
    paths = {route.path for route in make_app(Service(classifier)).routes}  # type: ignore[attr-defined]  # all have one
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[name]["httpGet"]["path"] in paths
        assert container[name]["httpGet"]["port"] == port["name"]
    assert parse([]).port == port["containerPort"]
    assert manifests["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]
    ingress = manifests["NetworkPolicy"]["spec"]["ingress"][0]
    assert ingress["ports"] == [{"protocol": "TCP", "port": port["name"]}]


def test_settings_limits_and_the_time_to_end_fit_the_server(
    manifests: dict[str, Manifest], pod: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    [container] = pod["containers"]
    for variable in container["env"]:
        monkeypatch.setenv(variable["name"], variable["value"])
    flags = parse([])
    before_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > before_s + flags.drain_s + 2
    folders = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert all(path.startswith(folders[0]) for path in (flags.api_key_file, flags.metrics_key_file))
    [metric] = manifests["HorizontalPodAutoscaler"]["spec"]["metrics"]
    wanted = int(metric["pods"]["target"]["averageValue"])
    assert flags.max_streams / 2 < wanted < 0.9 * flags.max_streams


def test_pods_are_added_by_a_metric_that_there_is(
    manifests: dict[str, Manifest], classifier: OnnxClassifier
) -> None:
    [metric] = manifests["HorizontalPodAutoscaler"]["spec"]["metrics"]
    name = metric["pods"]["metric"]["name"]
    assert f"\n{name} " in Metrics(classifier).text()[0].decode()
