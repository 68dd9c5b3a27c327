"""Streams of a manifest: the same bits every time, true labels, all kinds, and what is left out."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from ser_rt.constants import NEUTRAL
from ser_rt.errors import DataError
from ser_rt.judging.conditions import Conditions
from ser_rt.judging.draws import Draws
from ser_rt.judging.pools import LONGEST_PIECE_S, PAUSES_S, SHORTEST_PIECE_S, Pool
from ser_rt.judging.protocol import KINDS, Protocol, make_streams
from ser_rt.judging.truth import LabelledStream, Omissions
from ser_rt.training.data.corpus import Clip
from tests.judging.conftest import Make
from tests.support.tones import RATE, PitchClassifier


@pytest.fixture(scope="module")
def streams(make: Make) -> list[LabelledStream]:
    return make(per_dataset=8)


def test_draws_are_pinned() -> None:
    # The protocol's version 1 rests on these: another Python may not change them.
    draws = Draws(1, 0, "a", 3)
    assert [draws.below(1000) for _ in range(5)] == [963, 277, 823, 873, 4]
    assert Draws("order").shuffled("abcde") == ["b", "e", "c", "d", "a"]


def test_equal_seeds_give_equal_bits_and_another_seed_others(
    make: Make, streams: list[LabelledStream]
) -> None:
    again = {stream.name: stream for stream in make(per_dataset=8)}
    assert [s.sha256 for s in streams] == [again[s.name].sha256 for s in streams]
    assert [s.segments for s in streams] == [again[s.name].segments for s in streams]
    assert {s.sha256 for s in make(per_dataset=8, seed=1)}.isdisjoint(s.sha256 for s in streams)


def test_more_streams_begin_with_the_fewer(make: Make, streams: list[LabelledStream]) -> None:
    assert {s.sha256 for s in make(per_dataset=4)} <= {s.sha256 for s in streams}


def test_no_clip_comes_again_before_all_have_come(clips: list[Clip]) -> None:
    own = clips[:12]
    pool = Pool("Joy", "a1", own, RATE, Omissions())
    pool._read.update({clip: np.full(round(3.2 * RATE), 0.1, np.float32) for clip in own})
    used: set[Clip] = set()
    for number in range(4):
        before = len(used)
        parts = pool.piece(Draws("pieces", number), used)
        assert len(used) == min(before + (len(parts) + 1) // 2, len(own))


def test_equal_loudness_is_26_db_below_full_scale() -> None:
    loud = np.full(RATE, 0.5, np.float32)
    assert Conditions(loudness="equal").clip(loud) == pytest.approx(10 ** (-26 / 20))
    assert Conditions().clip(loud) is loud


def test_pauses_before_pieces_are_drawn_from_all(streams: list[LabelledStream]) -> None:
    starts = {round(stream.segments[0].start_s, 2) for stream in streams}
    starts |= {round(b.start_s - a.end_s, 2) for s in streams for a, b in pairwise(s.segments)}
    assert starts <= set(PAUSES_S)
    assert len(starts) == len(PAUSES_S)


def test_each_segment_sounds_as_its_label_says_and_silence_lies_between(
    streams: list[LabelledStream],
) -> None:
    classifier = PitchClassifier()
    for stream in streams:
        for segment in stream.segments:
            start, end = (round(t * RATE) for t in (segment.start_s, segment.end_s))
            row = classifier(stream.samples[np.newaxis, start:end])[0]
            assert classifier.labels[int(row.argmax())] == segment.emotion
        for before, after in pairwise(stream.segments):
            assert round(after.start_s - before.end_s, 2) in PAUSES_S
            gap = stream.samples[round(before.end_s * RATE) : round(after.start_s * RATE)]
            assert not gap.any()


def test_pieces_and_kinds_are_as_the_protocol_says(streams: list[LabelledStream]) -> None:
    assert {s.kind for s in streams} == set(KINDS)
    for stream in streams:
        assert 2 <= len(stream.segments) <= 6
        for segment in stream.segments:
            length_s = segment.end_s - segment.start_s
            assert SHORTEST_PIECE_S - 0.1 <= length_s <= LONGEST_PIECE_S + 0.1
        emotions = [segment.emotion for segment in stream.segments]
        changes = [a != b for a, b in pairwise(emotions)]
        speakers = {segment.speaker for segment in stream.segments}
        assert {s[0] for s in speakers} == {stream.dataset}
        if stream.kind == "neutral":
            assert set(emotions) == {NEUTRAL}
        if stream.kind == "from neutral":
            assert emotions[0] == NEUTRAL
            assert all(changes)
        if stream.kind == "between emotions":
            assert NEUTRAL not in emotions
            assert all(changes)
        assert len(speakers) == (2 if stream.kind == "turns" else 1)


def test_what_is_left_out_is_counted(make: Make) -> None:
    omissions = Omissions()
    make(per_dataset=1, omissions=omissions)
    assert omissions.counts["clips without a speaker"] == 2
    assert omissions.counts["speakers with one emotion, or too little speech"] == 2


def test_a_clip_that_cannot_be_read_is_counted_and_stops_nothing(
    clips: list[Clip],
) -> None:
    bad = [*clips, *(Clip(c.path.with_suffix(".gone"), "Angry", c.speaker, "a") for c in clips[:1])]
    omissions = Omissions()
    assert list(make_streams(bad, RATE, Protocol(per_dataset=8), Conditions(), omissions))
    assert omissions.counts["clips that cannot be read"] == 1


def test_without_speakers_there_is_no_stream(clips: list[Clip]) -> None:
    nobody = [Clip(clip.path, clip.emotion) for clip in clips]
    with pytest.raises(DataError, match="column speaker"):
        list(make_streams(nobody, RATE, Protocol(), Conditions(), Omissions()))


def test_one_clip_per_speaker_is_too_little(clips: list[Clip]) -> None:
    single = [Clip(clip.path, clip.emotion, f"s{n}", "a") for n, clip in enumerate(clips)]
    with pytest.raises(DataError, match="several clips of a speaker"):
        list(make_streams(single, RATE, Protocol(), Conditions(), Omissions()))


def test_conditions_change_the_sound_and_not_the_truth(make: Make, corpus: object) -> None:
    plain = make(per_dataset=2)
    for conditions in (
        {"loudness": "equal"},
        {"telephone": True},
        {"noise": str(corpus), "snr": 20.0},
        {"rooms": str(corpus)},
    ):
        changed = make(per_dataset=2, **conditions)
        assert [s.segments for s in changed] == [s.segments for s in plain]
        assert all(a.sha256 != b.sha256 for a, b in zip(changed, plain, strict=True))
        assert [s.sha256 for s in changed] == [
            s.sha256 for s in make(per_dataset=2, **conditions)
        ], conditions


def test_noise_is_as_far_below_the_speech_as_it_should_be(make: Make, corpus: object) -> None:
    plain, noisy = make(per_dataset=1)[0], make(per_dataset=1, noise=str(corpus), snr=20.0)[0]
    speech = plain.samples[np.abs(plain.samples) > 0]
    noise = noisy.samples - plain.samples
    ratio = np.mean(np.square(speech)) / np.mean(np.square(noise))
    assert 10 * np.log10(ratio) == pytest.approx(20.0, abs=0.1)


def test_a_folder_without_noise_is_refused(make: Make, tmp_path: object) -> None:
    with pytest.raises(DataError, match="no audio"):
        make(per_dataset=1, noise=str(tmp_path))
