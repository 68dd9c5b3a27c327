"""`Tuner`: searches the settings of a stream that fulfil a wish, on labelled streams."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

from ser_rt.classifier import EmotionClassifier
from ser_rt.constants import GATE_THRESHOLD, HALF_LIFE_S, NEUTRAL, WEIGHT_PER_S
from ser_rt.errors import requires
from ser_rt.judging.calibration import fit_temperatures
from ser_rt.judging.lanes import answers_of
from ser_rt.judging.measures import StreamMeasures, measure
from ser_rt.judging.replay import StreamPosteriors, classify_stream, replay
from ser_rt.judging.scores import StreamScore, score_streams
from ser_rt.judging.space import RANGES, Range, Values
from ser_rt.judging.truth import LabelledStream
from ser_rt.judging.wish import Wish
from ser_rt.profiles import Profile
from ser_rt.runtime.event import Event
from ser_rt.runtime.recognizers.making import make_recognizer
from ser_rt.runtime.settings import HysteresisSettings, StreamSettings

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Grid:
    """Values of the settings for which the network must run anew; of an empty one, the model's."""

    windows_s: Sequence[float] = ()
    hops_s: Sequence[float] = ()
    gates: Sequence[float] = ()
    unsure: float | None = None
    """Fixes that setting, which is searched otherwise."""

    def __post_init__(self) -> None:
        """Refuse values that no profile may have."""
        Profile(unsure=self.unsure)
        self.profiles()

    @property
    def lists(self) -> dict[str, Sequence[float]]:
        """The values by the names that they have in a `Profile`."""
        return {"window_s": self.windows_s, "hop_s": self.hops_s, "gate_threshold": self.gates}

    def profiles(self) -> list[Profile]:
        """Return profiles with each combination of the values, and no other settings."""
        rows = product(*(tuple(values) or (None,) for values in self.lists.values()))
        return [Profile(**dict(zip(self.lists, row, strict=True))) for row in rows]


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

        The first ones are a stream without a profile, and the profiles to begin with; of a setting
        that they have outside of what is searched, the nearest value there.

        Bergstra, Bardenet, Bengio, Kégl: Algorithms for hyper-parameter optimization. NIPS 2011.

        Raises:
            ConfigError: A value of the grid does not fit the model.
            MissingDependencyError: optuna is not installed.
        """
        for profile in self.grid.profiles():
            make_recognizer(self.classifier, settings_of(profile))
        with requires("optuna", "tune"):
            import optuna
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # no traceback at an interrupt
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True)
        study = optuna.create_study(sampler=sampler)
        space = self._space()
        plain = _PLAIN | {"neutral": 1 / len(self.classifier.labels)}
        for profile in (Profile(), *self.profiles):
            begin = plain | profile.to_dict()
            study.enqueue_trial(
                {name: one.nearest(begin[name]) for name, one in space.items() if name in begin}
            )
        first = len(self.trials)

        def cost(trial: optuna.Trial) -> float:
            values = {name: one.suggest(trial, name) for name, one in space.items()}
            found = self.judge(Profile(**self._fixed() | values))
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
        """Return the trials that none beats in delay, false changes and error rate together.

        A figure that cannot be measured, such as the delay where nothing is noticed, is the worst.
        """
        names = ("delay_median_s", "false_changes_per_min", "eder")

        def rank(trial: Trial) -> tuple[float, ...]:
            figures = [trial.score.figures[name] for name in names]
            return tuple(math.inf if math.isnan(value) else value for value in figures)

        ranked = [(rank(trial), trial) for trial in self.trials]
        best = {
            mine: trial
            for mine, trial in ranked
            if not any(_beats(other, mine) for other, _ in ranked)
        }
        return [best[key] for key in sorted(best)]

    def _space(self) -> dict[str, Range | Values]:
        """Return what is searched, by the names of a `Profile`."""
        searched = {
            name: Values(values) for name, values in self.grid.lists.items() if len(values) > 1
        }
        absent = set() if NEUTRAL in self.classifier.labels else {"neutral"}
        fixed = self._fixed()
        ranges = {name: one for name, one in RANGES.items() if name not in absent | fixed.keys()}
        return {**searched, **ranges}

    def _fixed(self) -> dict[str, float]:
        """Return the settings that the grid has one value of."""
        fixed = {name: values[0] for name, values in self.grid.lists.items() if len(values) == 1}
        return fixed if self.grid.unsure is None else {**fixed, "unsure": self.grid.unsure}


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
