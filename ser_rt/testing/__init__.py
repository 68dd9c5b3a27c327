"""Test doubles for programs that embed ser-rt: a tiny real bundle, and a classifier without one.

Neither needs PyTorch; `tiny_bundle` needs the package onnx.
"""

from ser_rt.testing.bundles import LABELS, tiny_bundle
from ser_rt.testing.fakes import FakeClassifier

__all__ = ["FakeClassifier", "LABELS", "tiny_bundle"]
