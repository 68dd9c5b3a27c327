"""A streaming bundle of a few kilobytes: the statistics of `tiny_bundle`, over the last 3 s.

Its caches are the last sample, the statistics of 150 frames, and a count of frames. A window of up
to 3 s, classified whole, has the same probabilities as a fresh stream that ends with it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ser_rt.bundle import write_bundle
from ser_rt.manifest import MODEL_FILE, STREAM_FILE
from ser_rt.streaming import Cache, Streaming
from ser_rt.testing.bundles import (
    ANSWER,
    CONSTANTS,
    LABELS,
    MANIFEST,
    OUTPUTS,
    STEPS,
    window_graph,
    with_head,
)

FRAME_SAMPLES = 320
POOLED_FRAMES = 150
TINY_STREAMING = Streaming(
    graph=Path(STREAM_FILE),
    frame_samples=FRAME_SAMPLES,
    hop_s=0.5,
    min_hop_s=0.1,
    max_hop_s=1.0,
    left_s=0.0,
    pooled_s=3.0,
    delay_s=0.0,
    caches=(
        Cache("audio_tail", (1,), "float32"),
        Cache("pooled_frames", (POOLED_FRAMES, 4), "float32"),
        Cache("frames_done", (), "int64"),
    ),
)

_OF_A_STREAM = f"""
    int64[1] two = {{2}}, int64[1] most = {{{POOLED_FRAMES}}},
    int64[1] newest = {{-{POOLED_FRAMES}}}, int64[3] cut = {{0, -1, {FRAME_SAMPLES}}}
"""
_FRONT = f"{CONSTANTS}, int64[4] front = {{0, 1, 0, 0}}"
_STREAM = f"""
    stream (
        float[batch, hop_samples] audio, float[batch, 1] audio_tail,
        float[batch, {POOLED_FRAMES}, 4] pooled_frames, int64[batch] frames_done
    ) => (
        {OUTPUTS}, float[batch, 1] audio_tail_next,
        float[batch, {POOLED_FRAMES}, 4] pooled_frames_next, int64[batch] frames_done_next
    ) < {CONSTANTS}, {_OF_A_STREAM} > {{
        samples = Concat <axis = 1> (audio_tail, audio)
        audio_tail_next = Slice(samples, minus_one, last, one)
        {STEPS}
        frames = Reshape(later, cut)
        steps = Reshape(step, cut)
        square = Mul(frames, frames)
        frame_power = ReduceMean <keepdims = 1> (square, two)
        square_step = Mul(steps, steps)
        frame_step = ReduceMean <keepdims = 1> (square_step, two)
        sign = Sign(frames)
        frame_sign = ReduceMean <keepdims = 1> (sign, two)
        magnitude = Abs(frames)
        frame_peak = ReduceMax <keepdims = 1> (magnitude, two)
        new = Concat <axis = 2> (frame_power, frame_step, frame_sign, frame_peak)
        both = Concat <axis = 1> (pooled_frames, new)
        pooled_frames_next = Slice(both, newest, last, one)
        frames_new = Shape <start = 1, end = 2> (frames)
        frames_done_next = Add(frames_done, frames_new)
        full = Min(frames_done_next, most)
        full_column = Unsqueeze(full, one)
        filled = Cast <to = 1> (full_column)
        sums = ReduceSum <keepdims = 0> (pooled_frames_next, one)
        means = Div(sums, filled)
        peaks = ReduceMax <keepdims = 0> (pooled_frames_next, one)
        power, step_power, asymmetry, unused = Split <axis = 1, num_outputs = 4> (means)
        no_power, no_step, no_sign, peak = Split <axis = 1, num_outputs = 4> (peaks)
        {ANSWER}
    }}
"""


def tiny_streaming_bundle(folder: str | Path, **changes: Any) -> Path:
    """Write a streaming bundle into ``folder``; ``changes`` replace fields of its manifest.

    Example:
        >>> import tempfile
        >>> from ser_rt.bundle import Bundle
        >>> from ser_rt.testing import tiny_streaming_bundle
        >>> streaming = Bundle.load(tiny_streaming_bundle(tempfile.mkdtemp())).streaming
        >>> streaming.hop_s, streaming.bytes_per_stream
        (0.5, 2412)
    """
    own: dict[str, Any] = {
        "name": "tiny-streaming",
        "min_window_s": 0.5,
        "streaming": TINY_STREAMING,
    }
    manifest = replace(MANIFEST, **own | changes)
    whole, stream = streaming_models(len(manifest.labels))
    return write_bundle(folder, {MODEL_FILE: whole, STREAM_FILE: stream}, manifest)


def streaming_models(labels: int = len(LABELS)) -> tuple[bytes, bytes]:
    """Return the serialised graphs of a whole window and of a hop."""
    whole = window_graph("Pad(input_values, front)", _FRONT)
    return with_head(whole, labels), with_head(_STREAM, labels)
