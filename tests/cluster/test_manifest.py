"""The Kubernetes manifest of the docs is what KubeRay, Ray Serve and this package take."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ser_rt.bundle import built_in_bundles
from ser_rt.cluster.settings import ClusterSettings
from tests.support.source_tree import ROOT

yaml = pytest.importorskip("yaml", reason="needs PyYAML, which Ray depends on")
schema = pytest.importorskip("ray.serve.schema", reason="needs Ray: pip install 'ser-rt[cluster]'")

Manifest = dict[str, Any]


def validator() -> Draft202012Validator:
    text = (Path(__file__).parent / "rayservice.schema.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text))


@pytest.fixture
def manifest() -> Manifest:
    found: Manifest = yaml.safe_load((ROOT / "docs" / "kuberay.yaml").read_text(encoding="utf-8"))
    return found


@pytest.fixture
def serve_config(manifest: Manifest) -> Any:
    return schema.ServeDeploySchema.model_validate(
        yaml.safe_load(manifest["spec"]["serveConfigV2"])
    )


def test_it_is_a_rayservice(manifest: Manifest) -> None:
    validator().validate(manifest)


def test_nothing_runs_with_rights_and_the_keys_are_for_one_group(manifest: Manifest) -> None:
    cluster = manifest["spec"]["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsUser"]
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        for volume in pod["volumes"]:
            assert volume["secret"]["defaultMode"] == 0o440


@pytest.mark.parametrize(
    "spoil",
    [
        lambda spec: spec.pop("rayClusterConfig"),
        lambda spec: spec.update(serveConfig={}),
        lambda spec: spec["rayClusterConfig"]["headGroupSpec"]["rayStartParams"].update(cpus=0),
        lambda spec: spec["rayClusterConfig"]["workerGroupSpecs"][0].pop("groupName"),
        lambda spec: spec["rayClusterConfig"]["workerGroupSpecs"][0]["template"].update(
            container={}
        ),
        lambda spec: spec["rayClusterConfig"]["workerGroupSpecs"][0].update(maxReplica=3),
    ],
)
def test_what_is_none_is_found(manifest: Manifest, spoil: Callable[[Manifest], object]) -> None:
    spoilt = copy.deepcopy(manifest)
    spoil(spoilt["spec"])
    assert list(validator().iter_errors(spoilt))


def test_serve_and_this_package_take_its_config(serve_config: Any) -> None:
    (application,) = serve_config.applications
    assert application.import_path == "ser_rt.cluster:app"
    from ray._common.utils import import_attr

    assert callable(import_attr(application.import_path))
    settings = ClusterSettings.of(application.args)
    assert settings.model.model in built_in_bundles()
    assert settings.replicas.api_key_file == "/keys/keys"


def test_what_it_changes_in_place_is_of_a_deployment(serve_config: Any) -> None:
    from ser_rt.cluster.model import Model
    from ser_rt.cluster.replica import StreamReplica
    from ser_rt.cluster.settings import Batching

    (application,) = serve_config.applications
    deployments = {Model.name, StreamReplica.name}  # type: ignore[attr-defined]  # Serve's types hide it
    for deployment in application.deployments:
        assert deployment.name in deployments
        if deployment.name == "Model":
            Batching(**deployment.user_config)


def test_its_machines_have_room_for_the_replicas(manifest: Manifest, serve_config: Any) -> None:
    settings = ClusterSettings.of(serve_config.applications[0].args)
    (group,) = manifest["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    cores = int(group["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"])
    scaling = settings.scaling
    for least_or_most in ("min", "max"):
        needed = sum(
            getattr(scaling, f"{least_or_most}_{role}s") * getattr(scaling, f"{role}_cpus")
            for role in ("listener", "model")
        )
        assert group[f"{least_or_most}Replicas"] * cores >= needed


def test_its_ray_is_the_one_that_is_tested(manifest: Manifest) -> None:
    assert manifest["spec"]["rayClusterConfig"]["rayVersion"] == version("ray")
