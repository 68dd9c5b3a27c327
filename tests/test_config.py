import pytest

from ser_rt.config import DataConfig, ModelConfig, TrainingConfig
from ser_rt.constants import EMOTIONS
from ser_rt.errors import ConfigError


def test_the_fifteen_emotions_and_the_recommended_settings() -> None:
    assert list(EMOTIONS)[:3] == ["Neutral", "Angry", "Joy"]
    assert len(EMOTIONS) == 15
    assert ModelConfig().emotion_labels == tuple(EMOTIONS)
    assert ModelConfig().model_name == "kresnik/wav2vec2-large-xlsr-korean"
    training = TrainingConfig()
    assert (training.learning_rate, training.batch_size) == (3e-5, 4)
    assert (training.gradient_accumulation_steps, training.warmup_steps) == (4, 1000)
    assert (training.num_epochs, training.early_stopping_patience) == (5, 5)
    assert training.early_stopping_threshold == 0.001
    assert ModelConfig().max_duration == 10.0


@pytest.mark.parametrize(
    ("settings", "name", "value", "says"),
    [
        (TrainingConfig, "learning_rate", 0, "learning_rate.*not 0.0"),
        (TrainingConfig, "learning_rate", float("nan"), "learning_rate.*not nan"),
        (TrainingConfig, "learningrate", 1.0, "no setting 'learningrate'; it has output_dir"),
        (TrainingConfig, "batch_size", 2.5, "batch_size.*not 2.5"),
        (TrainingConfig, "batch_size", True, "batch_size.*not True"),
        (TrainingConfig, "fp16", 1, "fp16.*not 1"),
        (TrainingConfig, "label_smoothing", 1.0, "below 1, not 1.0"),
        (ModelConfig, "emotion_labels", ("Joy",), "two or more distinct labels"),
        (ModelConfig, "emotion_labels", "Joy", "emotion_labels.*not 'Joy'"),
        (ModelConfig, "sample_rate", 8000, "must be 16000 Hz"),
        (DataConfig, "max_crop_s", "4", "max_crop_s.*not '4'"),
    ],
)
def test_a_bad_setting_raises_at_the_assignment(
    settings: type[TrainingConfig] | type[ModelConfig] | type[DataConfig],
    name: str,
    value: object,
    says: str,
) -> None:
    config = settings()
    before = config.to_dict()
    with pytest.raises(ConfigError, match=says):
        setattr(config, name, value)
    assert config.to_dict() == before
    with pytest.raises(ConfigError, match=says):
        settings.from_dict({name: value})


def test_settings_survive_a_dict() -> None:
    config = TrainingConfig(batch_size=2, learning_rate=1)
    assert TrainingConfig.from_dict(config.to_dict()) == config
    assert config.learning_rate == 1.0
    labels = ModelConfig.from_dict({"emotion_labels": ["Joy", "Sad"]}).emotion_labels
    assert labels == ("Joy", "Sad")


def test_same_labels_are_pairs() -> None:
    assert DataConfig(same_labels=("Calm=Neutral",)).same_labels == ("Calm=Neutral",)
    with pytest.raises(ConfigError, match="pairs like Calm=Neutral"):
        DataConfig(same_labels=("Calm",))
