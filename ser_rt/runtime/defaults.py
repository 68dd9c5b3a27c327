"""What streams do unless told otherwise; light enough for a command line to read."""

WINDOW_S = 3.0
HOP_S = 0.5
MIN_WINDOW_S = 1.0
"""Used where a classifier does not say what its network was made for."""

HALF_LIFE_S = 0.7
"""Half-life of smoothing: a change of emotion is half through after this."""

GATE_THRESHOLD = 0.1
"""Share of a window that must hold speech for the model to be asked."""

PCM_ENCODINGS = {"s16le": "<i2", "f32le": "<f4"}
"""Numpy type of each encoding of raw PCM."""
