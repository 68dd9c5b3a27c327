"""`EmotionModel` at the place of the original module; the code is in `networks.model`."""

from ser_rt.networks.model import EmotionModel, EmotionOutput, create_model

__all__ = ["EmotionModel", "EmotionOutput", "create_model"]
