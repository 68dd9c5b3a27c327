"""Logging, files that are whole or absent, and the plot of a training."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ser_rt import utils
from ser_rt.errors import ConfigError, DataError, OutputError


def test_readme_logging_block(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "logs" / "ser_debug.log"
    logger = utils.setup_logging(log_level="DEBUG", log_file=path)
    logging.getLogger("ser_rt.inference").debug("감정 found")
    assert "감정 found" in path.read_text(encoding="utf-8")
    assert "감정 found" in capsys.readouterr().err
    assert logger is utils.setup_logging("warning")
    assert len(logger.handlers) == 1
    logger.info("too quiet")
    assert capsys.readouterr().err == ""


def test_bad_logging_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="LOUD"):
        utils.setup_logging("LOUD")
    with pytest.raises(OutputError):
        utils.setup_logging(log_file=tmp_path)


def test_readme_history_block(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    history = {
        "train_loss": [0.8, 0.6, 0.4, 0.3],
        "val_loss": [0.9, 0.7, 0.5, 0.4],
        "val_accuracy": [0.6, 0.7, 0.8, 0.85],
        "val_f1": [0.55, 0.65, 0.75, 0.82],
    }
    path = tmp_path / "training_history.png"
    figure = utils.plot_training_history(history, save_path=path)
    assert path.read_bytes().startswith(b"\x89PNG")
    losses, scores = figure.axes
    assert [line.get_label() for line in losses.lines] == ["train_loss", "val_loss"]
    assert [line.get_label() for line in scores.lines] == ["val_accuracy", "val_f1"]
    assert list(losses.lines[0].get_xdata()) == [1, 2, 3, 4]  # type: ignore[arg-type]  # narrower in fact


def test_history_may_lack_scores_but_not_everything() -> None:
    pytest.importorskip("matplotlib")
    assert len(utils.plot_training_history({"train_loss": [1.0]}).axes) == 2
    with pytest.raises(DataError):
        utils.plot_training_history({"train_loss": []})
