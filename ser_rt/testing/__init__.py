"""Test doubles for programs that embed ser-rt: tiny real bundles, and a classifier without one.

None needs PyTorch; the bundles need the package onnx.
"""

from ser_rt.testing.bundles import LABELS, tiny_bundle
from ser_rt.testing.fakes import FakeClassifier
from ser_rt.testing.streaming import tiny_streaming_bundle

__all__ = ["FakeClassifier", "LABELS", "tiny_bundle", "tiny_streaming_bundle"]
