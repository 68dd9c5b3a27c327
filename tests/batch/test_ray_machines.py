"""Two machines, one of which dies; simulated by two Rays on this one."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ser_rt.batch.classify_file import BatchConfig, FileResult
from ser_rt.batch.discovery import Item
from ser_rt.batch.engines import Resources
from ser_rt.batch.local import classify_all as classify_locally
from ser_rt.batch.on_ray import classify_all
from ser_rt.testing import LABELS

ray = pytest.importorskip("ray", reason="the extra cluster is not installed")


def rows(result: list[FileResult]) -> list[tuple[Any, ...]]:
    return sorted((one.path, one.file | {"elapsed_s": None}, one.windows) for one in result)


@pytest.mark.slow
def test_a_machine_that_dies_takes_nothing_along(
    job: BatchConfig, calls: Path, tmp_path: Path
) -> None:
    from ray.cluster_utils import Cluster

    for number in range(8):
        for path in calls.iterdir():
            (tmp_path / f"{number}-{path.name}").symlink_to(path)
    items = [Item(str(path), None) for path in sorted(tmp_path.iterdir())]
    node: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 100_000_000}
    quick = {"health_check_period_ms": 500, "health_check_failure_threshold": 2}
    head = node | {"include_dashboard": False, "_system_config": quick}
    machines = Cluster(initialize_head=True, head_node_args=head)
    second = machines.add_node(**node)
    ray.init(address=machines.address, log_to_driver=False, logging_level="ERROR")
    try:
        machines.wait_for_nodes()
        result = []
        with closing(classify_all(items, job, LABELS, Resources())) as engine:
            for one in engine:
                result.append(one)
                if len(result) == 10:
                    assert not ray.available_resources().get("CPU"), "one machine is idle"
                    machines.remove_node(second, allow_graceful=False)
        assert sum(node["Alive"] for node in ray.nodes()) == 1
    finally:
        ray.shutdown()
        machines.shutdown()
    assert rows(result) == rows(list(classify_locally(items, job, LABELS, Resources(workers=1))))
