from __future__ import annotations

import pytest

from ser_rt.constants import EMOTIONS
from ser_rt.report.recording import MOST_MOMENTS, Turn, shown_emotions
from ser_rt.report.strips import MOST_STRIPS, spans
from ser_rt.report.words import Words, clock, percent
from tests.report.conftest import Made

THIRDS = [
    *((at_s, at_s + 8.0, "Neutral", 0.9) for at_s in range(0, 60, 10)),
    *((at_s, at_s + 8.0, "Angry", 0.8) for at_s in range(60, 90, 10)),
]


def test_shares_are_of_the_time_in_which_somebody_speaks(made: Made) -> None:
    recording = made(THIRDS, duration_s=90.0)
    shares = dict(recording.shares())
    assert list(shares) == ["Neutral", "Angry"]
    assert shares["Neutral"] == pytest.approx(2 / 3, abs=0.01)
    assert recording.main() == ("Neutral", shares["Neutral"])
    assert recording.speech == pytest.approx(0.8)


def test_a_change_is_that_from_the_first_third_to_the_last(made: Made) -> None:
    change = made(THIRDS, duration_s=90.0).change()
    assert change is not None
    assert (change.before, change.after) in [(1.0, 0.0), (0.0, 1.0)]
    told = Words("en").change(change)
    assert told in (
        "Neutral falls from 100 % in the first third to 0 % in the last.",
        "Angry rises from 0 % in the first third to 100 % in the last.",
    )
    assert made(THIRDS[:6], duration_s=60.0).change() is None  # the same throughout
    assert made(THIRDS[:2], duration_s=20.0).change() is None  # too short to have thirds


def test_channels_have_shares_of_their_own(made: Made) -> None:
    turns = [(10.0 * n, 10.0 * n + 6, ("Neutral", "Angry")[n % 2], 0.9) for n in range(6)]
    recording = made(turns, channels=("agent", "customer"))
    assert [channel.name for channel in recording.channels] == ["agent", "customer"]
    assert recording.shares(0) == [("Neutral", 1.0)]
    assert recording.main(1) == ("Angry", 1.0)


def test_moments_are_the_clearest_of_each_emotion_then_others_in_order_of_time(made: Made) -> None:
    turns = [
        (0.0, 4.0, "Neutral", 0.99),
        (10.0, 14.0, "Angry", 0.70),
        (20.0, 24.0, "Angry", 0.95),
        (22.0, 26.0, "Angry", 0.94),  # too close to the one before
        (30.0, 34.0, "Sad", 0.40),
        (40.0, 40.6, "Fear", 0.99),  # too short
        (50.0, 54.0, "unsure", 0.99),
        *((60.0 + 10 * n, 64.0 + 10 * n, "Joy", 0.5 + n / 100) for n in range(9)),
    ]
    moments = made(turns).moments()
    assert len(moments) == MOST_MOMENTS
    assert [m.peak_s for m in moments] == sorted(m.peak_s for m in moments)
    assert {m.emotion for m in moments} == {"Angry", "Sad", "Joy"}
    strongest = made(turns).strongest()
    assert strongest is not None
    assert (strongest.start_s, strongest.confidence) == (20.0, 0.95)
    assert made(turns[:1]).moments() == []


def test_the_sound_of_a_moment_lies_within_its_turn_and_leads_to_its_peak() -> None:
    turn = Turn(0, 100.0, 130.0, "Joy", 0.9, 120.0, 30.0, -20.0)
    assert turn.sound_s == (115.0, 121.0)
    assert turn._replace(peak_s=130.0).sound_s == (124.0, 130.0)
    assert turn._replace(peak_s=101.0).sound_s == (100.0, 102.0)


def test_a_recording_without_speech_has_nothing_to_tell(made: Made) -> None:
    recording = made([], duration_s=5.0)
    assert not recording.has_speech
    assert (recording.main(), recording.strongest(), recording.change()) == (None, None, None)
    assert Words("en").summary(recording) == "No speech"


def test_five_emotions_are_shown_and_the_others_folded_but_never_a_single_one() -> None:
    shares = [(label, 1 / 15) for label in EMOTIONS]
    assert [len(part) for part in shown_emotions(shares)] == [5, 10]
    assert [len(part) for part in shown_emotions(shares[:6])] == [6, 0]


@pytest.mark.parametrize("hours", [0.001, 0.1, 0.5, 3, 10, 200])
def test_strips_cover_a_recording_and_are_few(hours: float) -> None:
    found = spans(3600 * hours)
    assert 1 <= len(found) <= MOST_STRIPS
    assert found[0].start_s == 0
    assert found[-1].start_s < 3600 * hours <= found[-1].end_s + 1e-6
    assert len({round(s.end_s - s.start_s, 6) for s in found}) == 1


def test_times_and_shares_are_written_plainly() -> None:
    assert [clock(s) for s in (0, 59.9, 61, 3661)] == ["0:00", "0:59", "1:01", "1:01:01"]
    assert [percent(s) for s in (0, 0.001, 0.5, 1)] == ["0 %", "<1 %", "50 %", "100 %"]
    assert Words("ko").length(3720) == "1시간 2분"
    assert Words("en").length(42) == "42 s"
