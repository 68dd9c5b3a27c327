"""Triton's configuration of a network that streams: its sequence batcher, for the python backend.

The model keeps the caches. Triton's implicit state would keep them for the onnxruntime backend, in
servers that have one; the one that tests run has the python backend alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from ser_rt.streaming import AUDIO, Streaming

MOST_STREAMS = 256
_IDLE_US = 60_000_000
_CONTROLS = {
    "START": "kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ]",
    "END": "kind: CONTROL_SEQUENCE_END int32_false_true: [ 0, 1 ]",
    "CORRID": "kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64",
}


def stream_config(streaming: Streaming, name: str, columns: Mapping[str, int]) -> str:
    """Return the configuration in protobuf's text format; ``columns`` are the outputs' sizes."""
    shown = ",".join(
        f' {{ name: "{out}" data_type: TYPE_FP32 dims: [ {size} ] }}'
        for out, size in columns.items()
    )
    controls = ",".join(
        f' {{ name: "{control}" control [ {{ {how} }} ] }}' for control, how in _CONTROLS.items()
    )
    parameters = {"frame_samples": streaming.frame_samples, "most_streams": MOST_STREAMS}
    blocks = [
        f'name: "{name}"',
        "max_batch_size: 1",
        f'input [ {{ name: "{AUDIO}" data_type: TYPE_FP32 dims: [ -1 ] }} ]',
        f"output [{shown} ]",
        "sequence_batching {",
        f"  max_sequence_idle_microseconds: {_IDLE_US}",
        f"  control_input [{controls} ]",
        f"  oldest {{ max_candidate_sequences: {MOST_STREAMS} }}",
        "}",
        "version_policy { latest { num_versions: 1 } }",
        'backend: "python"',
        "instance_group [ { count: 1 kind: KIND_CPU } ]",
        *(
            f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}'
            for key, value in parameters.items()
        ),
    ]
    return "\n".join(blocks) + "\n"
