"""The network, where the original module has it; the code is in `ser_rt.networks.model`."""

from ser_rt.networks.model import EmotionModel, EmotionOutput, create_model

__all__ = ["EmotionModel", "EmotionOutput", "create_model"]
