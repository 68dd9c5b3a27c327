"""What streams do unless told otherwise; light enough for a command line to read."""

WINDOW_S = 3.0
HOP_S = 0.5
MIN_WINDOW_S = 1.0
"""Used where a classifier does not say what its network was made for."""

SHORTEST_INPUT_S = 0.25
"""Shorter audio is padded with zeros: convolutional networks fail on less than their reach."""

HALF_LIFE_S = 0.7
"""Half-life of smoothing: a change of emotion is half through after this."""

GATE_THRESHOLD = 0.1
"""Share of a window that must hold speech for the model to be asked."""

VAD_THRESHOLD = 0.5
"""Probability at which speech starts."""

VAD_NEGATIVE_MARGIN = 0.15
"""Speech ends this far below the probability at which it starts."""

VAD_MIN_SILENCE_S = 0.25
"""Pauses shorter than this belong to speech."""

VAD_PRE_ROLL_S = 0.1
"""Time before the start of speech that belongs to it: breath, an unvoiced consonant."""

PCM_ENCODINGS = {"s16le": 2, "f32le": 4, "s24le": 3, "s32le": 4, "u8": 1, "mulaw": 1, "alaw": 1}
"""Bytes of a sample in each encoding of raw PCM."""
