"""`EmotionModel` at the place of the original module; the code is in `networks`."""

from ser_rt.networks.creation import create_model
from ser_rt.networks.model import EmotionModel, EmotionOutput

__all__ = ["EmotionModel", "EmotionOutput", "create_model"]
