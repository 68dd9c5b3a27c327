"""`make_streams`: labelled streams from the clips of a manifest, the same ones every time.

docs/streams.md describes version 1 of this protocol. Whatever changes a sample changes `VERSION`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ser_rt.checks import Checked, above, setting
from ser_rt.constants import NEUTRAL
from ser_rt.errors import DataError
from ser_rt.judging.conditions import Conditions
from ser_rt.judging.draws import Draws
from ser_rt.judging.pools import PAUSES_S, Pool, silence
from ser_rt.judging.truth import LabelledStream, Omissions, Segment
from ser_rt.training.data.corpus import Clip

VERSION = 1

FEWEST_PIECES, MOST_PIECES = 2, 6


@dataclass(frozen=True)
class Protocol(Checked):
    """How many streams, and by which seed."""

    per_dataset: int = setting(20, "streams of each dataset", above(0))
    seed: int = setting(0, "seed of the streams")


@dataclass
class _Voice:
    """A speaker's pools by emotion: those with enough speech."""

    speaker: str
    pools: dict[str, Pool]
    used: set[Clip] = field(default_factory=set)

    @property
    def moved(self) -> list[str]:
        """The emotions besides neutral."""
        return [emotion for emotion in self.pools if emotion != NEUTRAL]


Plan = list[tuple[_Voice, str]]
"""Speaker and emotion of each piece."""


def make_streams(
    clips: Sequence[Clip],
    sample_rate: int,
    protocol: Protocol,
    conditions: Conditions,
    left_out: Omissions,
) -> Iterator[LabelledStream]:
    """Yield the streams of each dataset, its kinds and speakers taking turns.

    Args:
        clips: With emotions that the model knows; those without a speaker are left out.
        sample_rate: Of the streams, in Hz.
        protocol: How many, and which seed.
        conditions: What they pass.
        left_out: Takes what is in no stream.

    Raises:
        DataError: No clip has a speaker, or no speaker has two emotions or neutral speech enough.
    """
    named = [clip for clip in clips if clip.speaker]
    for clip in clips:
        if not clip.speaker:
            left_out.add("clips without a speaker", str(clip.path))
    if not named:
        msg = (
            f"none of {len(clips)} clips has a speaker, and a stream is of one: the manifest needs "
            "a column speaker"
        )
        raise DataError(msg)
    made = 0
    for dataset in sorted({clip.dataset for clip in named}):
        here = [clip for clip in named if clip.dataset == dataset]
        for stream in _of_dataset(here, sample_rate, protocol, conditions, left_out):
            made += 1
            yield stream
    if not made:
        msg = (
            f"no speaker of {len({clip.speaker for clip in named})} has 3 s of speech in two "
            "emotions, or of neutral speech: streams need several clips of a speaker"
        )
        raise DataError(msg)


def _of_dataset(
    clips: Sequence[Clip],
    sample_rate: int,
    protocol: Protocol,
    conditions: Conditions,
    left_out: Omissions,
) -> Iterator[LabelledStream]:
    dataset = clips[0].dataset
    voices = _voices(clips, sample_rate, left_out)
    order = Draws(VERSION, protocol.seed, dataset, "speakers").shuffled(voices)
    cases = [(kind, voice) for kind in KINDS for voice in order if _can(kind, voice, order)]
    for number, (kind, voice) in enumerate(_dealt(cases, protocol.per_dataset)):
        draws = Draws(VERSION, protocol.seed, dataset, number)
        for one in order:
            one.used.clear()
        plan = KINDS[kind](voice, [other for other in order if other is not voice], draws)
        yield _joined(
            plan,
            draws,
            conditions,
            sample_rate,
            name=f"{dataset or 'stream'}-{number:03}",
            kind=kind,
            dataset=dataset,
            language=clips[0].language,
        )


def _voices(clips: Sequence[Clip], sample_rate: int, left_out: Omissions) -> list[_Voice]:
    voices = []
    for speaker in sorted({clip.speaker for clip in clips}):
        own = [clip for clip in clips if clip.speaker == speaker]
        pools = {}
        for emotion in sorted({clip.emotion for clip in own}):
            alike = sorted((c for c in own if c.emotion == emotion), key=lambda c: str(c.path))
            pool = Pool(emotion, speaker, alike, sample_rate, left_out)
            if pool.is_enough:
                pools[emotion] = pool
            else:
                left_out.add("emotions of a speaker with under 3 s", f"{speaker}: {emotion}")
        voice = _Voice(speaker, pools)
        if NEUTRAL in pools or len(voice.moved) > 1:
            voices.append(voice)
        else:
            left_out.add("speakers with one emotion, or too little speech", speaker)
    return voices


def _dealt(cases: Sequence[tuple[str, _Voice]], count: int) -> Iterator[tuple[str, _Voice]]:
    """Yield kinds in turn, and the speakers of each kind in turn."""
    by_kind = {kind: [case for case in cases if case[0] == kind] for kind, _ in cases}
    rows = list(by_kind.values())
    for number in range(count if rows else 0):
        row, place = rows[number % len(rows)], number // len(rows)
        # Kinds begin with different speakers, so that few streams are still of many.
        yield row[(place + number % len(rows)) % len(row)]


def _can(kind: str, voice: _Voice, order: Sequence[_Voice]) -> bool:
    neutral, moved = NEUTRAL in voice.pools, len(voice.moved)
    return {
        "from neutral": neutral and moved > 0,
        "between emotions": moved > 1,
        "neutral": neutral,
        "turns": len(order) > 1,
    }[kind]


def _from_neutral(voice: _Voice, _: Sequence[_Voice], draws: Draws) -> Plan:
    count = _count(draws)
    return [(voice, draws.one(voice.moved) if n % 2 else NEUTRAL) for n in range(count)]


def _between(voice: _Voice, _: Sequence[_Voice], draws: Draws) -> Plan:
    plan = [(voice, draws.one(voice.moved))]
    for _piece in range(_count(draws) - 1):
        plan.append((voice, draws.one([e for e in voice.moved if e != plan[-1][1]])))
    return plan


def _neutral(voice: _Voice, _: Sequence[_Voice], draws: Draws) -> Plan:
    return [(voice, NEUTRAL)] * _count(draws)


def _turns(voice: _Voice, others: Sequence[_Voice], draws: Draws) -> Plan:
    pair = (voice, draws.one(others))
    return [(pair[n % 2], draws.one(list(pair[n % 2].pools))) for n in range(_count(draws))]


KINDS: dict[str, Callable[[_Voice, Sequence[_Voice], Draws], Plan]] = {
    "from neutral": _from_neutral,
    "between emotions": _between,
    "neutral": _neutral,
    "turns": _turns,
}
"""Plans of streams, by kind."""


def _count(draws: Draws) -> int:
    return FEWEST_PIECES + draws.below(MOST_PIECES - FEWEST_PIECES + 1)


def _joined(
    plan: Plan, draws: Draws, conditions: Conditions, sample_rate: int, **about: str
) -> LabelledStream:
    parts, segments, at = [], [], 0
    for voice, emotion in plan:
        pause = silence(draws.one(PAUSES_S), sample_rate)
        clips = voice.pools[emotion].piece(draws, voice.used)
        clips = [conditions.clip(part) if part.any() else part for part in clips]
        start = at + len(pause)
        parts += [pause, *clips]
        at = start + sum(map(len, clips))
        segments.append(Segment(start / sample_rate, at / sample_rate, emotion, voice.speaker))
    samples = np.concatenate([*parts, silence(draws.one(PAUSES_S), sample_rate)])
    return LabelledStream(
        samples=conditions.stream(samples, draws, sample_rate),
        sample_rate=sample_rate,
        segments=tuple(segments),
        duration_s=math.fsum(s.end_s - s.start_s for s in segments),
        **about,
    )
