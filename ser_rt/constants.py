"""Emotions, sample rate and defaults of streams; light enough for a command line to read."""

EMOTIONS: dict[str, str] = {
    "Neutral": "중립",
    "Angry": "분노",
    "Joy": "기쁨",
    "Sad": "슬픔",
    "Serious": "진지함",
    "Anxious": "불안",
    "Kind": "친절",
    "Dry": "건조함",
    "Tease": "놀림",
    "Doubt": "의심",
    "Surprise": "놀람",
    "Shy": "수줍음",
    "Hurry": "서두름",
    "Fear": "두려움",
    "Hesitate": "주저함",
}
"""The fifteen emotions, English to Korean, in the order of the label ids."""


DIMENSIONS = ("arousal", "valence", "dominance")
"""What a network may rate besides emotions, each from 0 to 1."""


SAMPLE_RATE = 16_000
"""Sample rate in Hz of every model here."""


WINDOW_S = 3.0
HOP_S = 0.5
MIN_WINDOW_S = 1.0
"""Windows in seconds of a classifier that has no `WindowDefaults`."""

SHORTEST_INPUT_S = 0.25
"""Shorter audio is padded with zeros: convolutional networks fail on less than their reach."""

NEUTRAL = "Neutral"
"""The emotion that a voice without one has."""

HALF_LIFE_S = 0.7
"""Half-life of smoothing: half of what was believed is forgotten after this."""

WEIGHT_PER_S = 2.0
"""Exponent of a result in smoothing, for each second since the one before it: a result of the usual
half second counts once."""

GATE_THRESHOLD = 0.1
"""Share of a window that must be speech for it to be classified."""

VAD_THRESHOLD = 0.5
"""Probability at which speech starts."""

VAD_NEG_MARGIN = 0.15
"""Speech ends this far below the probability at which it starts."""

VAD_MIN_SILENCE_S = 0.25
"""Pauses shorter than this belong to speech."""

VAD_SPEECH_PAD_S = 0.1
"""Time before the start of speech that belongs to it: breath, an unvoiced consonant."""

TURN_PAUSE_S = 0.7
"""Silence that ends a turn."""

LONGEST_TURN_S = 30.0
"""Longest turn; one of an hour without a pause is nobody's answer to anything."""

PCM_ENCODINGS = {"s16le": 2, "f32le": 4, "s24le": 3, "s32le": 4, "u8": 1, "mulaw": 1, "alaw": 1}
"""Bytes of a sample in each encoding of raw PCM."""

MOST_AT_ONCE = 16
"""Windows of one call on a GPU; graphs that are compiled for one are for so many at most."""
