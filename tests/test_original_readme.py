"""What the original module's README showed runs here, and so does the Korean guide."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import soundfile
import torch

from ser_rt import config
from ser_rt.audio.discovery import AUDIO_SUFFIXES
from ser_rt.bundle import sample_path
from ser_rt.constants import EMOTIONS
from ser_rt.training.data.sample_data import write_sample_data
from tests.support import original_readme
from tests.support.small_speech import write_base
from tests.support.source_tree import ROOT

Names = dict[str, Any]
GUIDE = (ROOT / "docs/README.ko.md").read_text(encoding="utf-8")
SETTINGS = (config.model_config, config.training_config, config.data_config)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder as a user of the original has it, and a small checkpoint in place of the hub's."""
    folder = tmp_path_factory.mktemp("world")
    saved = [setting.to_dict() for setting in SETTINGS]
    mpl.use("Agg")
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setenv("SER_RT_CACHE", str(folder / "cache"))
        write_base(Path("kresnik/wav2vec2-large-xlsr-korean"), num_hidden_layers=1)
        write_sample_data(Path("data/emotions"), tuple(EMOTIONS), 3)
        write_sample_data(Path("test_data"), tuple(EMOTIONS)[:4], 2)
        samples, rate = soundfile.read(sample_path())  # a voice: there is none in tones
        Path("audio_folder").mkdir()
        names = ("audio_file", "file1", "file2", "file3", *(f"audio_folder/{i}" for i in range(3)))
        for name in names:
            soundfile.write(f"{name}.wav", samples[: 6 * rate], rate)
        rows = [f"emotions/{e}/sample_{i:03}.wav,{e}" for e in EMOTIONS for i in range(3)]
        Path("data/clips.csv").write_text("\n".join(["file_path,emotion", *rows]))
        yield folder
    for setting, values in zip(SETTINGS, saved, strict=True):
        for name, value in values.items():
            setattr(setting, name, value)


def start_over() -> None:
    """Take back what earlier code set, and make windows and training short."""
    for setting, kind in zip(SETTINGS, map(type, SETTINGS), strict=True):
        for field in fields(kind):
            setattr(setting, field.name, getattr(kind(), field.name))
    config.data_config.max_crop_s = 1.2
    config.data_config.num_workers = 0
    config.training_config.num_epochs = 2


def run(code: str, where: str, names: Names) -> None:
    exec(compile(code, where, "exec"), names)  # noqa: S102 (the README's own code)


def command(line: str) -> int:
    """Run `python -m module arguments` in this process."""
    python, flag, module, *arguments = shlex.split(line.replace("\\\n", " "))
    assert (python, flag) == ("python", "-m")
    code: int = importlib.import_module(module).main(arguments)
    return code


def test_every_file_emotion_and_format_is_there() -> None:
    assert all((ROOT / "ser_rt" / name).is_file() for name in original_readme.FILES.split())
    rows = dict(re.findall(r"(\w+) \((\S+)\)", original_readme.EMOTIONS))
    assert rows == EMOTIONS
    assert {".wav", ".mp3", ".m4a", ".flac", ".ogg"} <= set(AUDIO_SUFFIXES)


@pytest.mark.usefixtures("world")
def test_the_original_code_runs() -> None:
    start_over()
    names: Names = {}
    for title, code in original_readme.PYTHON.items():
        run(code.replace("SER.", "ser_rt."), title, names)
        if title == "학습":
            names["true_labels"] = names["labels"]
            assert {"model.safetensors", "config.json"} <= {
                p.name for p in Path("results").iterdir()
            }
    assert set(names["result"]) == {
        *("audio_path", "predicted_emotion", "confidence", "probabilities", "status")
    }
    assert names["result"]["status"] == "success"
    assert set(names["result"]["probabilities"]) == set(EMOTIONS)
    assert set(names["distribution"]) == {
        *("total_samples", "emotion_counts", "emotion_percentages", "average_confidence"),
        *("std_confidence", "min_confidence", "max_confidence"),
    }
    assert names["distribution"]["total_samples"] == 3
    assert "Neutral" in names["report"]
    assert len(names["dataset"]) == 45
    assert names["processed_audio"].dtype == np.float32
    assert Path("training_history.png").stat().st_size > 1000
    assert Path("ser_debug.log").exists()
    assert config.training_config.fp16
    config.training_config.fp16 = False
    shutil.move("results", "results-of-the-code")


@pytest.mark.usefixtures("world")
def test_the_original_commands_run(capsys: pytest.CaptureFixture[str]) -> None:
    start_over()
    quicker = {"훈련 실행": " --num_epochs 2", "모델 평가": " --no_stress"}
    for title, code in original_readme.COMMANDS.items():
        capsys.readouterr()
        line = code.replace("SER.", "ser_rt.").strip() + quicker.get(title, "")
        assert command(line) == 0, title
        if title == "추론 실행":
            assert "predicted_emotion" in json.loads(capsys.readouterr().out)
    assert list(Path("evaluation_results").glob("*.html"))
    shutil.move("results", "results-of-the-commands")


def guide_blocks() -> list[tuple[str, str]]:
    return re.findall(r"^```(python|bash)\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)


@pytest.mark.usefixtures("world")
def test_the_korean_guide_runs() -> None:
    start_over()
    names: Names = {}
    for number, (language, code) in enumerate(guide_blocks()):
        if language == "python":
            run(code, f"block {number}", names)
        else:
            assert [command(line) for line in code.splitlines()] == [0] * len(code.splitlines())
    assert json.loads(Path("predictions.json").read_text())["distribution"]["total_samples"] == 3


def test_the_guide_names_real_modules_and_settings() -> None:
    for module in set(re.findall(r"`(ser_rt\.\w+)`", GUIDE)):
        importlib.import_module(module)
    known = {f.name for kind in map(type, SETTINGS) for f in fields(kind)}
    for name in re.findall(r"`([a-z]+(?:_[a-z]+)+)`", GUIDE.split("## 문제 해결")[1]):
        assert name in known, name
