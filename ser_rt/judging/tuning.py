"""`Tuner`: searches the settings of a stream that fulfil a wish, on labelled streams."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ser_rt.classifier import EmotionClassifier
from ser_rt.constants import GATE_THRESHOLD, HALF_LIFE_S, NEUTRAL, WEIGHT_PER_S
from ser_rt.errors import requires
from ser_rt.judging.calibration import fit_temperatures
from ser_rt.judging.lanes import answers_of
from ser_rt.judging.measures import StreamMeasures, measure
from ser_rt.judging.replay import StreamPosteriors, classify_stream, replay
from ser_rt.judging.scores import StreamScore, score_streams
from ser_rt.judging.truth import LabelledStream
from ser_rt.judging.wish import Wish
from ser_rt.profiles import Profile
from ser_rt.runtime.event import Event
from ser_rt.runtime.settings import HysteresisSettings, StreamSettings

if TYPE_CHECKING:
    import optuna

_STEP = 0.05


@dataclass(frozen=True)
class Grid:
    """Values of the settings for which the network must run anew; of an empty one, the model's."""

    windows_s: Sequence[float] = ()
    hops_s: Sequence[float] = ()
    gates: Sequence[float] = ()
    unsure: float | None = None
    """Fixes that setting, which is searched otherwise."""


@dataclass(frozen=True)
class Trial:
    """Settings that were tried, and their figures."""

    profile: Profile
    score: StreamScore


@dataclass
class Tuner:
    """Tries settings of a model on streams; the network runs once for each window, hop and gate.

    Attributes:
        classifier: The model; its default profile has no settings, so that one that is left out
            is as without a profile.
        streams: What is judged.
        grid: What is searched besides smoothing and naming.
        profiles: Those to begin with.
        trials: All that were tried.
        temperatures: By seconds of speech.
    """

    classifier: EmotionClassifier
    streams: Sequence[LabelledStream]
    grid: Grid = Grid()
    profiles: Sequence[Profile] = ()
    trials: list[Trial] = field(default_factory=list)
    temperatures: Mapping[float, float] = field(default_factory=dict)
    _kept: dict[tuple[float | None, ...], list[StreamPosteriors]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.temperatures = getattr(self.classifier, "temperature_by_speech", {})

    def calibrate(self, profile: Profile, *, shape_only: bool) -> None:
        """Fit the temperatures by seconds of speech to what a profile makes a stream believe."""
        self.temperatures = {}
        self.temperatures = fit_temperatures(
            self.streams,
            self.events(profile),
            self.classifier.labels,
            shape_only=shape_only,
        )

    def search(self, wish: Wish, trials: int, seed: int = 0) -> Trial:
        """Return the best of some trials: tree-structured Parzen estimators choose them.

        The first ones are a stream without a profile, and the profiles to begin with.

        Bergstra, Bardenet, Bengio, Kégl: Algorithms for hyper-parameter optimization. NIPS 2011.

        Raises:
            ConfigError: A value of the grid does not fit the model.
            MissingDependencyError: optuna is not installed.
        """
        with requires("optuna", "tune"):
            import optuna
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # no traceback at an interrupt
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True)
        study = optuna.create_study(sampler=sampler)
        for profile in (Profile(), *self.profiles):
            study.enqueue_trial(_PLAIN | self._neutral() | profile.to_dict())
        first = len(self.trials)

        def cost(trial: optuna.Trial) -> float:
            found = self.judge(self._suggested(trial))
            self.trials.append(found)
            return wish.cost(found.score.figures)

        study.optimize(cost, n_trials=trials)
        return min(self.trials[first:], key=lambda trial: wish.cost(trial.score.figures))

    def judge(self, profile: Profile) -> Trial:
        """Return the figures of some settings."""
        return Trial(profile, score_streams(self.measures(profile), intervals=False))

    def measures(self, profile: Profile) -> list[StreamMeasures]:
        """Return the measures of each stream with some settings."""
        labels = self.classifier.labels
        return [
            measure(stream, answers_of(events), labels)
            for stream, events in zip(self.streams, self.events(profile), strict=True)
        ]

    def events(self, profile: Profile) -> list[list[Event]]:
        """Return the events of each stream with some settings."""
        settings = settings_of(profile)
        return [
            replay(self.classifier, kept, settings, self.temperatures)
            for kept in self.kept(profile)
        ]

    def kept(self, profile: Profile) -> list[StreamPosteriors]:
        """Return the network's answers on each stream; they are kept."""
        # Without smoothing, the network is asked for whole windows.
        smooths = float(profile.half_life_s != 0)
        key = (profile.window_s, profile.hop_s, profile.gate_threshold, smooths)
        if key not in self._kept:
            settings = settings_of(profile)
            self._kept[key] = [
                classify_stream(self.classifier, stream.samples, settings)[0]
                for stream in self.streams
            ]
        return self._kept[key]

    def trade_off(self) -> list[Trial]:
        """Return the trials that none beats in delay, false changes and error rate together."""
        names = ("delay_median_s", "false_changes_per_min", "eder")

        def rank(trial: Trial) -> tuple[float, ...]:
            return tuple(trial.score.figures[name] for name in names)

        ranked = [(rank(trial), trial) for trial in self.trials]
        best = {
            mine: trial
            for mine, trial in ranked
            if not any(_beats(other, mine) for other, _ in ranked)
        }
        return [best[key] for key in sorted(best)]

    def _neutral(self) -> dict[str, float]:
        """Return the probability of Neutral without a profile, as near as a trial has it."""
        labels = self.classifier.labels
        return {"neutral": _STEP * round(1 / len(labels) / _STEP)} if NEUTRAL in labels else {}

    def _suggested(self, trial: optuna.Trial) -> Profile:
        def one(name: str, values: Sequence[float]) -> float | None:
            if len(values) < 2:
                return values[0] if values else None
            return float(trial.suggest_categorical(name, list(values)))

        def number(name: str, low: float, high: float) -> float:
            return round(trial.suggest_float(name, low, high, step=_STEP), 2)

        def scale(name: str, low: float, high: float) -> float:
            return round(trial.suggest_float(name, low, high, log=True), 2)

        knows_neutral = NEUTRAL in self.classifier.labels
        return Profile(
            window_s=one("window_s", self.grid.windows_s),
            hop_s=one("hop_s", self.grid.hops_s),
            gate_threshold=one("gate_threshold", self.grid.gates),
            half_life_s=scale("half_life_s", 0.3, 15.0),
            weight_per_s=scale("weight_per_s", 0.3, 8.0),
            neutral=number("neutral", 0.1, 0.8) if knows_neutral else None,
            enter=number("enter", 0.0, 0.9),
            leave=number("leave", 0.2, 1.0),
            hold_s=number("hold_s", 0.0, 3.0),
            unsure=(number("unsure", 0.0, 0.5) if self.grid.unsure is None else self.grid.unsure),
        )


_PLAIN: dict[str, Any] = {
    "half_life_s": HALF_LIFE_S,
    "weight_per_s": WEIGHT_PER_S,
    "enter": 0.0,
    "leave": 1.0,
    "hold_s": 0.0,
    "unsure": 0.0,
}
"""The first trial: a stream without a profile."""


def settings_of(profile: Profile) -> StreamSettings:
    """Return the settings of a stream that a profile gives, and nothing of the model's profiles."""
    values = _PLAIN | {"gate_threshold": GATE_THRESHOLD} | profile.to_dict()
    names = ("enter", "leave", "hold_s", "unsure")
    return StreamSettings(
        hysteresis=HysteresisSettings(**{name: values.pop(name) for name in names}), **values
    )


def _beats(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and one != other
