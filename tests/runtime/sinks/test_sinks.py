import csv
import io
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from ser_rt.cli.columns import display_width
from ser_rt.runtime.episodes import Lag
from ser_rt.runtime.event import (
    UNSURE,
    EmotionEvent,
    EpisodeEvent,
    Event,
    NoSpeechEvent,
    TurnEvent,
    WarningEvent,
)
from ser_rt.runtime.sinks import SINKS, SinkSettings
from ser_rt.runtime.sinks.text import TextLines, bar
from ser_rt.runtime.sinks.words import LANGUAGES
from ser_rt.runtime.statistics import StreamStatistics

LABELS = ("Joy", "Surprise")
JOY = EmotionEvent(
    seq=0,
    start=0.0,
    end=1.0,
    emotion="Joy",
    confidence=0.75,
    probabilities={"Joy": 0.75, "Surprise": 0.25},
    speech=0.5,
    partial=True,
    latency_ms={"total": 12.3, "other": 12.3},
)
EVENTS: list[Event] = [
    JOY,
    EmotionEvent(
        seq=1,
        start=3599.5,
        end=3602.5,
        emotion="Surprise",
        confidence=0.5,
        probabilities={"Joy": 0.5, "Surprise": 0.5},
        speech=1.0,
        partial=False,
        latency_ms={"total": 4.0, "other": 4.0},
    ),
    NoSpeechEvent(seq=2, start=1.0, end=4.0, speech=0.0, partial=False),
    WarningEvent(seq=3, start=4.0, end=4.0, code="overflow", message="20 ms were dropped"),
]


def written(format_: str, **settings: object) -> list[str]:
    output, ledger = io.StringIO(), StreamStatistics()
    sink = SINKS[format_](output, SinkSettings(labels=LABELS, **settings))  # type: ignore[arg-type]  # values of several types
    for event in EVENTS:
        ledger.add(event)
        sink.write(event)
    ledger.close(processed_s=3602.5, waited_s=0.0, dropped_samples=0)
    sink.finish(ledger.summary())
    return output.getvalue().splitlines()


def test_json_lines_end_with_the_summary() -> None:
    events = [json.loads(line) for line in written("jsonl")]
    assert [event["type"] for event in events] == [
        "emotion", "emotion", "no_speech", "warning", "summary",
    ]  # fmt: skip
    assert events[0]["latency_ms"]["total"] == 12.3
    assert "elapsed_s" not in json.loads(written("jsonl", timing=False)[-1])


def test_csv_has_a_column_per_emotion() -> None:
    rows = list(csv.DictReader(written("csv")))
    assert len(rows) == len(EVENTS)
    assert (rows[0]["emotion"], rows[0]["Joy"], rows[0]["Surprise"]) == ("Joy", "0.75", "0.25")
    assert rows[0]["latency_ms"] == "12.3"
    assert rows[3]["message"] == "20 ms were dropped"
    assert "latency_ms" not in next(csv.DictReader(written("csv", timing=False)))


def test_csv_has_a_column_per_dimension_and_one_for_speakers_if_asked() -> None:
    output = io.StringIO()
    settings = SinkSettings(LABELS, dimensions=("arousal", "valence"), turns=True, speakers=True)
    sink = SINKS["csv"](output, settings)
    answer: Any = {"start": 0.0, "end": 1.0, "emotion": "Joy", "confidence": 0.9}
    sink.write(EmotionEvent(seq=0, **answer, dimensions={"arousal": 0.5}))
    sink.write(TurnEvent(seq=1, **answer, speaker_change=True))
    result, turn = csv.DictReader(output.getvalue().splitlines())
    assert (result["arousal"], result["valence"]) == ("0.5", "")
    assert (result["speaker_change"], turn["speaker_change"]) == ("", "True")


def test_text_names_the_emotion_in_both_languages_in_straight_columns() -> None:
    first, second, silence, warning, *_ = written("text")
    assert first.startswith("00:00.0 – 00:01.0  Joy      기쁨 ")
    assert first.endswith("75%     12.3 ms  early")
    assert second.startswith("59:59.5 – 1:00:02.5  Surprise 놀람 ")
    assert silence.endswith("no speech")
    assert warning.endswith("warning: 20 ms were dropped")
    assert written("text", lang="ko")[0].startswith("00:00.0 – 00:01.0  기쁨 Joy ")
    assert "ms" not in written("text", timing=False)[0]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_text_summary_says_how_fast_and_how_late(lang: str) -> None:
    lines = written("text", lang=lang, stats=True)
    assert any("p50" in line and "p95" in line and "p99" in line for line in lines)
    assert any("other" in line for line in lines)


def test_colour_changes_no_letter() -> None:
    plain, coloured = written("text")[0], written("text", color=True)[0]
    assert "\033[" in coloured
    for code in ("\033[0m", "\033[2m", "\033[1;33m", "\033[33m"):
        coloured = coloured.replace(code, "")
    assert coloured == plain


def test_subtitles_have_a_caption_for_each_episode() -> None:
    assert written("srt") == [
        "1", "00:00:00,000 --> 00:00:01,000", "Joy 75%", "",
        "2", "00:59:59,500 --> 01:00:02,500", "Surprise 50%", "",
    ]  # fmt: skip
    assert written("srt", lang="ko")[2] == "기쁨 75%"


def test_rttm_has_a_line_for_each_episode() -> None:
    assert written("rttm") == [
        "SPEAKER audio 1 0.000 1.000 <NA> <NA> Joy 0.750 <NA>",
        "SPEAKER audio 1 3599.500 3.000 <NA> <NA> Surprise 0.500 <NA>",
    ]


def test_rttm_names_the_recording() -> None:
    [line, *_] = written("rttm", name="calls/first call.m4a")
    assert line.split()[1] == "first_call"


def test_rttm_ends_one_source_before_the_next() -> None:
    output = io.StringIO()
    sink = SINKS["rttm"](output, SinkSettings(labels=LABELS))
    for source in ("b.wav", "a.wav", "c.wav"):
        for event in EVENTS[:2]:
            sink.write(replace(event, source=source))
    sink.finish(StreamStatistics().summary())
    sources = [line.split()[1] for line in output.getvalue().splitlines()]
    assert sources == ["b", "b", "a", "a", "c", "c"]


def test_only_the_likeliest_are_named() -> None:
    assert json.loads(written("jsonl", top_k=1)[0])["probabilities"] == {"Joy": 0.75}
    assert "  Joy 75%" in written("text", top_k=1)[0]
    assert next(csv.DictReader(written("csv", top_k=1)))["Surprise"] == ""


def test_an_episode_and_an_unsure_result_are_lines_too() -> None:
    lines = TextLines(LABELS, color=False)
    episode = EpisodeEvent(seq=5, start=1.0, end=4.5, emotion="Joy", confidence=0.75, peak=2.5)
    assert lines.event(episode) == ("00:01.0 – 00:04.5  └ Joy 기쁨 75%, 3.5 s, clearest at 00:02.5")
    unsure = replace(JOY, emotion=UNSURE)
    assert "unsure   불확실" in lines.event(unsure)


def test_bars_and_widths() -> None:
    assert (bar(0, 4), bar(1, 4), bar(0.5, 4), bar(1 / 32, 4)) == ("    ", "████", "██  ", "▏   ")
    assert (display_width("Joy"), display_width("기쁨")) == (3, 4)


TURN = TurnEvent(
    seq=4, id=1, start=1.25, end=3.5, emotion="Joy", confidence=0.75,
    probabilities={"Joy": 0.75, "Surprise": 0.25}, speech=2.0, loudness=-20.5, onset=1.5, peak=3.0,
    peak_confidence=0.9, channel=2, channel_name="A & <B>", latency_ms={"total": 1.0},
)  # fmt: skip


def of_turns(name: str) -> str:
    output = io.StringIO()
    how = SinkSettings(labels=LABELS, turns=True, names=True)
    sink = SINKS[name](output, how)
    for event in (*EVENTS, replace(TURN, final=False), TURN):
        sink.write(event)
    sink.finish(StreamStatistics().summary())
    return output.getvalue()


def test_subtitles_of_turns_have_a_caption_for_each() -> None:
    assert of_turns("srt") == "1\n00:00:01,250 --> 00:00:03,500\n[A & <B>] Joy 75%\n\n"
    assert of_turns("vtt") == (
        "WEBVTT\n\n1\n00:00:01.250 --> 00:00:03.500\n[A &amp; &lt;B&gt;] Joy 75%\n\n"
    )
    assert of_turns("rttm") == "SPEAKER audio 2 1.250 2.250 <NA> <NA> Joy 0.750 <NA>\n"


def test_a_turn_that_another_person_ends_says_so() -> None:
    lines = TextLines(LABELS, color=False)
    turn: Any = {"seq": 0, "start": 0.0, "end": 1.0, "emotion": "Joy", "confidence": 0.9}
    assert lines.event(TurnEvent(**turn, speaker_change=True)).endswith(", then another voice")
    assert "voice" not in lines.event(TurnEvent(**turn))


def test_lines_of_turns() -> None:
    *_, so_far, turn, _, _ = of_turns("text").splitlines()
    assert "□ turn 1" in so_far
    assert turn == (
        "[A & <B>]  00:01.2 – 00:03.5  ■ turn 1: Joy 기쁨 75%, speech 2.0 s, -20 dBFS, "
        "since 00:01.5, clearest at 00:03.0 (90%)"
    )
    row = list(csv.DictReader(of_turns("csv").splitlines()))[-1]
    assert (row["type"], row["id"], row["speech"], row["loudness"]) == ("turn", "1", "2.0", "-20.5")
    assert (row["channel_name"], row["cut"], row["final"]) == ("A & <B>", "False", "True")
    event = json.loads(of_turns("jsonl").splitlines()[-2])
    assert (event["type"], event["peak_confidence"], event["onset"]) == ("turn", 0.9, 1.5)


@pytest.mark.parametrize("name", ["srt", "vtt", "rttm"])
@pytest.mark.parametrize("turns", [False, True])
def test_captions_of_a_recording_are_in_the_order_in_which_they_begin(
    name: str, *, turns: bool
) -> None:
    # Channel 1 speaks from 0 to 20 s, channel 2 twice in between: known to have ended before it.
    turn = replace(TURN, channel_name=None)
    events: list[Event] = [
        replace(turn, channel=2, start=3.0, end=6.0),
        replace(turn, channel=2, start=8.0, end=9.0),
        replace(turn, channel=1, start=0.0, end=20.0),
    ]
    if not turns:
        spans = [(2, 3, 6), (2, 8, 9), *((1, at, at + 1) for at in range(20))]
        events = [
            replace(JOY, channel=channel, start=float(start), end=float(end), partial=False)
            for channel, start, end in spans
        ]
    for lag, starts in ((Lag(0.0, 0.0), [0, 3, 8]), (None, [3, 8, 0])):
        output = io.StringIO()
        sink = SINKS[name](output, SinkSettings(labels=LABELS, turns=turns, lag=lag))
        for event in events:
            sink.write(event)
        sink.finish(StreamStatistics().summary())
        pattern = r"SPEAKER \w+ \d (\d+)\.000" if name == "rttm" else r"00:00:(\d\d).000 -->"
        assert [int(found) for found in re.findall(pattern, output.getvalue())] == starts
