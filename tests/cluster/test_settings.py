"""Settings of a cluster, and those it refuses."""

from __future__ import annotations

import pytest

from ser_rt.cluster.settings import ClusterSettings, known_arguments
from ser_rt.errors import ConfigError
from ser_rt.server.limits import ServerLimits


def test_text_is_read_as_what_it_stands_for() -> None:
    words = {
        "model": "compact",
        "threads": "2",
        "colocated": "True",
        "max_wait_ms": "2.5",
        "max_streams": "10",
        "cors_origins": "https://a.example, https://b.example",
    }
    values = words | {
        "threads": 2,
        "colocated": True,
        "max_wait_ms": 2.5,
        "max_streams": 10,
        "cors_origins": ["https://a.example", "https://b.example"],
    }
    found = ClusterSettings.of(words)
    assert found == ClusterSettings.of(values)
    assert found.model.threads == 2
    assert found.replicas.colocated is True
    assert found.replicas.cors_origins == ("https://a.example", "https://b.example")
    assert found.limits == ServerLimits(max_streams=10)


def test_everything_has_a_default() -> None:
    found = ClusterSettings.of({})
    assert found == ClusterSettings.of(dict.fromkeys(("model", "threads", "max_batch")))
    assert (found.model.provider, found.scaling.min_listeners) == ("cpu", 1)


@pytest.mark.parametrize(("provider", "gpus"), [("cpu", 0), ("openvino", 0), ("cuda", 1)])
def test_a_model_takes_a_gpu_where_it_needs_one(provider: str, gpus: float) -> None:
    assert ClusterSettings.of({"provider": provider}).model_gpus == gpus
    assert ClusterSettings.of({"provider": provider, "model_gpus": "0.5"}).model_gpus == 0.5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"modl": "x"}, "no argument 'modl'; there are model, provider"),
        ({"send_buffer_bytes": 1}, "no argument 'send_buffer_bytes'"),
        ({"model": 3}, "model must be text, not 3"),
        ({"model": ""}, "model must be text, not ''"),
        ({"provider": "gpu"}, "provider must be one of cpu, cuda"),
        ({"provider": None}, "provider must be text, not None"),
        ({"threads": 0}, "threads must be 1 or more, not 0"),
        ({"threads": "1.5"}, "threads must be a whole number, not '1.5'"),
        ({"max_batch": True}, "max_batch must be a whole number, not True"),
        ({"max_wait_ms": -1}, "max_wait_ms must be 0 or more"),
        ({"max_wait_ms": "nan"}, "max_wait_ms must be 0 or more, not nan"),
        ({"colocated": "perhaps"}, "colocated must be true or false, not 'perhaps'"),
        ({"colocated": 1}, "colocated must be true or false, not 1"),
        ({"min_models": 3, "max_models": 2}, "max_models must be 3 or more, not 2"),
        ({"max_listeners": "inf"}, "max_listeners must be a whole number, not 'inf'"),
        ({"listener_cpus": "-1"}, "listener_cpus must be 0 or more"),
        ({"model_gpus": float("inf")}, "model_gpus must be 0 or more, not inf"),
        ({"health_check_s": 0}, "health_check_s must be 0.1 or more"),
        ({"allowed_hosts": 5}, "allowed_hosts must be names, or names with commas"),
        ({"allowed_hosts": [5]}, "allowed_hosts must be names, or names with commas"),
        ({"max_unheard_bytes": 0}, "max_unheard_bytes must be 1 or more"),
        ({"max_streams": "0"}, "max_streams must be above 0, not 0"),
        ({"max_streams": "many"}, "max_streams must be a whole number, not 'many'"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        ClusterSettings.of(arguments)
    assert words in str(refusal.value)


def test_a_limit_that_only_the_proxy_could_keep_is_no_argument() -> None:
    assert "send_buffer_bytes" not in known_arguments()
    assert "max_streams" in known_arguments()
