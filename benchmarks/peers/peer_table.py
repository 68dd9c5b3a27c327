"""The peers: other libraries, and the form of the network that each of them runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ser_rt.bundle import Bundle
from ser_rt.errors import ConfigError
from ser_rt.runtime.backends.providers import ProviderName


@dataclass(frozen=True)
class Peer:
    """Another way to run a network.

    Attributes:
        runner: Its name in `runners.RUNNERS`.
        package: What it imports.
        needs: What it runs: the training ``run``, or bundles of these precisions; none is any.
        devices: Where it runs; for bundles these are execution providers.
        precision: Of its arithmetic, where the bundle has no entry.
    """

    runner: str
    package: str
    needs: tuple[str, ...] = ("run",)
    devices: tuple[ProviderName, ...] = ("cpu", "cuda")
    precision: str = "fp32"

    @property
    def takes_run(self) -> bool:
        """Whether it runs the network itself, and not a graph of it."""
        return self.needs == ("run",)

    @property
    def names_precision(self) -> bool:
        """Whether its rows differ by precision."""
        return not self.takes_run and self.needs != ("fp32",)


PEERS = (
    Peer("transformers pipeline", "transformers"),
    Peer("PyTorch eager", "torch"),
    Peer("PyTorch bf16", "torch", precision="bf16"),
    Peer("PyTorch fp16", "torch", devices=("cuda",), precision="fp16"),
    Peer("torch.compile", "torch"),
    Peer("torch.compile bf16", "torch", precision="bf16"),
    Peer("CUDA graphs", "torch", devices=("cuda",)),
    Peer("CUDA graphs fp16", "torch", devices=("cuda",), precision="fp16"),
    Peer("audonnx", "audonnx", ("fp32",)),
    Peer("optimum", "optimum", ("fp32",)),
    Peer("OpenVINO fp32", "openvino", ("fp32",), ("cpu",)),
    Peer("OpenVINO bf16", "openvino", ("fp32",), ("cpu",), "bf16"),
    Peer("OpenVINO", "openvino", ("int8",), ("cpu",)),
    Peer("onnxruntime", "onnxruntime", (), ("cpu", "cuda", "tensorrt")),
)

Chosen = tuple[Peer, Path | str, str, ProviderName, str]
"""Peer, model, precision, device, and why it cannot run."""


def chosen(
    names: Sequence[str], run: Path, bundles: Sequence[Bundle], device: str
) -> Iterator[Chosen]:
    """Yield the peers for a device; those that cannot run have the reason.

    Args:
        names: Only these peers; none is all.
        run: Training run or checkpoint.
        bundles: Exported from it.
        device: ``cpu`` or ``cuda``; with it every provider that uses the device.

    Raises:
        ConfigError: there is no peer of a name.
    """
    check_names(names)
    for peer in PEERS:
        places = [p for p in peer.devices if (p == "cpu") == (device == "cpu")]
        if names and peer.runner not in names:
            continue
        for place in places:
            yield from _models(peer, run, bundles, place)


def check_names(names: Sequence[str]) -> None:
    """Raise `ConfigError` for a peer that there is not."""
    known = [peer.runner for peer in PEERS]
    for name in names:
        if name not in known:
            msg = f"--peer {name!r} is none; there are {', '.join(known)}"
            raise ConfigError(msg)


def _models(
    peer: Peer, run: Path, bundles: Sequence[Bundle], place: ProviderName
) -> Iterator[Chosen]:
    missing = "" if find_spec(peer.package) else f"{peer.package} is not installed (ser-rt[peers])"
    if peer.takes_run:
        yield peer, run, peer.precision, place, missing
        return
    suits = [b for b in bundles if not peer.needs or b.precision in peer.needs]
    for bundle in suits:
        precision = peer.precision if peer.needs == ("fp32",) else bundle.precision
        yield peer, bundle.folder, precision, place, missing
    if not suits:
        wanted = peer.needs[0] if peer.needs else "any"
        yield peer, "", wanted, place, f"it needs a bundle of precision {wanted}: --bundle"
