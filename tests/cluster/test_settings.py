"""Settings of a cluster, and those it refuses."""

from __future__ import annotations

import pytest

from ser_rt.cluster.settings import ClusterSettings
from ser_rt.errors import ConfigError
from ser_rt.server.limits import ServerLimits


def test_text_is_read_as_what_it_stands_for() -> None:
    words = {
        "model": "compact",
        "threads": "2",
        "embedding": "True",
        "max_wait_ms": "2.5",
        "max_streams": "10",
        "cors_origins": "https://a.example, https://b.example",
    }
    values = words | {
        "threads": 2,
        "embedding": True,
        "max_wait_ms": 2.5,
        "max_streams": 10,
        "cors_origins": ["https://a.example", "https://b.example"],
    }
    found = ClusterSettings.of(words)
    assert found == ClusterSettings.of(values)
    assert found.model.threads == 2
    assert found.model.embedding is True
    assert found.replicas.cors_origins == ("https://a.example", "https://b.example")
    assert found.limits == ServerLimits(max_streams=10)


def test_everything_has_a_default() -> None:
    ClusterSettings.of({"colocated": True, "max_batch": None})
    found = ClusterSettings.of({})
    assert found == ClusterSettings.of(dict.fromkeys(("model", "threads", "max_batch")))
    assert (found.model.provider, found.scaling.min_listeners) == ("cpu", 1)


@pytest.mark.parametrize(("provider", "gpus"), [("cpu", 0), ("openvino", 0), ("cuda", 1)])
def test_a_model_takes_a_gpu_where_it_needs_one(provider: str, gpus: float) -> None:
    assert ClusterSettings.of({"provider": provider}).model_gpus == gpus
    assert ClusterSettings.of({"provider": provider, "model_gpus": "0.5"}).model_gpus == 0.5


@pytest.mark.parametrize(
    "name",
    ["max_batch", "max_wait_ms", "min_models", "max_models", "windows_per_model", "model_cpus"],
)
def test_settings_of_model_replicas_are_refused_where_there_are_none(name: str) -> None:
    ClusterSettings.of({name: "4"})
    with pytest.raises(ConfigError, match=f"^{name} is of model replicas"):
        ClusterSettings.of({"colocated": "true", name: "4"})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"modl": "x"}, "no argument 'modl'; there are model, provider"),
        ({"send_buffer_bytes": 1}, "no argument 'send_buffer_bytes'"),
        ({"model": 3}, "model must be text, not 3"),
        ({"provider": "gpu"}, "provider"),
        ({"threads": 0}, "threads"),
        ({"max_wait_ms": -1}, "max_wait_ms must be 0 or more"),
        ({"colocated": "perhaps"}, "colocated"),
        ({"min_models": 3, "max_models": 2}, "max_models must be 3 or more, not 2"),
        ({"listener_cpus": "-1"}, "listener_cpus"),
        ({"health_check_s": 0}, "health_check_s must be 0.1 or more"),
        ({"allowed_hosts": 5}, "allowed_hosts"),
        ({"max_unheard_bytes": 0}, "max_unheard_bytes"),
        ({"max_streams": "0"}, "max_streams"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        ClusterSettings.of(arguments)
    assert words in str(refusal.value)
