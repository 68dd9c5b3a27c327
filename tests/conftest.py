"""Fixtures of many tests: a tiny model, audio that varies, and files of it."""

import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from ser_rt import testing
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.stream import load
from tests.support.programs import refuse_others
from tests.support.two_part_bundle import build_two_part_bundle

RATE = 16_000
LONG = {"batch", "benchmarks", "cluster", "export", "networks", "training"}
Wave = npt.NDArray[np.float32]
Run = Callable[..., tuple[int, list[str], list[str]]]
Writer = Callable[..., Path]


def pytest_configure() -> None:
    """Restore the signals that a shell or ``nohup`` ignores, for tests and their processes."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    hypothesis.settings.register_profile("same", deadline=None, derandomize=True)
    hypothesis.settings.register_profile("search", deadline=None)
    hypothesis.settings.load_profile("same")
    refuse_others()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return one more than cores: tests wait for sound, sockets and clocks a third of the time."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders of the longest tests: the last file is one process's alone."""
    items.sort(key=lambda item: LONG.isdisjoint(item.path.parts))


def make_wave(seconds: float, rate: int = RATE, seed: int = 0) -> Wave:
    """Noise whose level and tilt change every quarter second, so no two windows are alike."""
    rng = np.random.default_rng(seed)
    count = round(seconds * rate)
    pieces = rng.uniform(0.02, 0.3, 1 + 4 * count // rate).repeat(rate // 4 + 1)[:count]
    return (rng.standard_normal(count) * pieces * 0.5 + pieces * 0.1).astype(np.float32)


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Begin and end each test with the package's loggers as an import leaves them."""
    reset_logging()
    yield
    reset_logging()


def reset_logging() -> None:
    """Take back what commands have set up: handlers, levels, and that nothing propagates."""
    for handler in logging.root.handlers[:]:
        if type(handler) is logging.StreamHandler:  # not pytest's own
            logging.root.removeHandler(handler)
    for name, logger in logging.root.manager.loggerDict.items():
        if name.partition(".")[0] == "ser_rt" and isinstance(logger, logging.Logger):
            for handler in logger.handlers[:]:
                logger.removeHandler(handler)
                handler.close()
            logger.setLevel(logging.NOTSET)
            logger.propagate = True


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return testing.tiny_bundle(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def classifier(tiny_bundle: Path) -> OnnxClassifier:
    return load(tiny_bundle)


@pytest.fixture(scope="session")
def two_part_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_two_part_bundle(tmp_path_factory.mktemp("models") / "two-part")


@pytest.fixture(scope="session")
def streaming_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return testing.tiny_streaming_bundle(tmp_path_factory.mktemp("models") / "streaming")


@pytest.fixture
def write_audio(tmp_path: Path) -> Callable[..., Path]:
    """Write a wave to a file of a format that its name gives."""

    def write(name: str, wave: npt.NDArray[Any], rate: int = RATE, **settings: Any) -> Path:
        path = tmp_path / name
        soundfile.write(path, wave, rate, **settings)
        return path

    return write


@pytest.fixture
def small_and_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train with a cache of the test's own, on one thread: small networks lose to busy cores."""
    import torch

    monkeypatch.setenv("SER_RT_CACHE", str(tmp_path / "cache"))
    torch.set_num_threads(1)


@pytest.fixture
def speech(write_audio: Writer) -> Path:
    """Return a file of 6.2 s with silence from 2 s to 5.5 s."""
    wave = make_wave(6.2)
    wave[2 * RATE : 5 * RATE + RATE // 2] = 0
    return write_audio("speech.wav", wave)


@pytest.fixture
def run(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ser-stream in this process; return exit code, lines of events, lines of status."""
    from ser_rt.commands.stream import main

    def run_main(*flags: object, model: Path = tiny_bundle) -> tuple[int, list[str], list[str]]:
        # The waves here are noise: it is their level that differs from silence, not a voice.
        code = main([str(flag) for flag in ("--model", model, "--no-vad", *flags)])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return run_main
