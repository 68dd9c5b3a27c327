"""Files with which optimum and transformers open a bundle."""

from __future__ import annotations

import json

from ser_rt.config import ModelConfig


def transformers_files(settings: ModelConfig) -> dict[str, str]:
    """Return `config.json` and `preprocessor_config.json`.

    They need a model type that they know and that takes waveforms: wav2vec2. Only its labels and
    its feature extractor are used; the extractor must not normalise, the graph does.
    """
    names = settings.emotion_labels
    config = {
        "model_type": "wav2vec2",
        "architectures": ["Wav2Vec2ForSequenceClassification"],
        "id2label": dict(enumerate(names)),
        "label2id": {name: i for i, name in enumerate(names)},
    }
    extractor = {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "feature_size": 1,
        "sampling_rate": settings.sample_rate,
        "padding_value": 0.0,
        "do_normalize": False,
        "return_attention_mask": False,
    }
    return {
        "config.json": json.dumps(config, indent=2),
        "preprocessor_config.json": json.dumps(extractor, indent=2),
    }
