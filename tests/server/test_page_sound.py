"""The page shows the results of the runtime for the same audio, second by second."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
import soxr
from scipy.signal import correlate

import ser_rt
from tests.server.conftest import DEMO, Running
from tests.support.browser import Launch, Visit, visit

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from playwright.sync_api import Page

RATE = 48_000
SPOKEN_S = 5
Results = dict[float, dict[str, Any]]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    samples, rate = soundfile.read(DEMO, start=48_000, frames=160_000, dtype="float32")
    path = tmp_path_factory.mktemp("clips") / "clip.wav"
    soundfile.write(path, soxr.resample(samples, rate, RATE), RATE, subtype="PCM_16")
    return path


def results_offline(samples: NDArray[Any], rate: int) -> Results:
    """Return the runtime's results by the second that they end at."""
    events = ser_rt.stream(samples, sample_rate=rate)
    return {round(event.end, 3): event.to_dict(timing=False) for event in events}


def results_on_page(it: Visit) -> Results:
    return {round(event["end"], 3): event for event in it.events("emotion", "no_speech")}


def agree(page: Results, offline: Results, close: float) -> None:
    """Check that results of the same seconds say the same, but for rounding."""
    for end in page.keys() & offline.keys():
        one, other = page[end], offline[end]
        assert (one["type"], one["start"]) == (other["type"], pytest.approx(other["start"]))
        if one["type"] == "emotion":
            assert one["probabilities"] == pytest.approx(other["probabilities"], abs=close)
            margin = one["probabilities"][one["emotion"]] - one["probabilities"][other["emotion"]]
            assert margin <= 2 * close


def test_a_microphone_has_the_results_of_the_file_behind_it(
    launch: Launch, server: Running, clip: Path
) -> None:
    with visit(launch(f"{clip}%noloop"), server.http("/")) as it:
        it.page.click("#listen")
        it.see("#heard", f"0:{SPOKEN_S:02}")
        it.page.click("#listen")
        it.see("#state", "Finished")
    sent, rate = it.audio()
    page = results_on_page(it)
    # A result that a busy machine left out, with a warning, is missing in what is smoothed later.
    agree(page, results_offline(sent, rate), 0.2 if it.events("warning") else 1e-6)
    assert {int(end) for end in page} >= set(range(1, SPOKEN_S)), "a second has no result"
    # The device plays before the page records, so a second may come from anywhere in the file; a
    # busy machine may drop some of it once.
    played = soxr.resample(soundfile.read(clip, dtype="float32")[0], RATE, rate)
    seconds = [sent[i * rate : (i + 1) * rate] for i in range(1, SPOKEN_S)]
    alike = [likeness(second, played) for second in seconds]
    assert sorted(alike)[1] > 0.9, alike


def likeness(piece: NDArray[Any], whole: NDArray[Any]) -> float:
    """Return the correlation of a piece with the place in the whole that it is most like."""
    at = int(np.argmax(correlate(whole, piece, "valid", "fft")))
    return float(np.corrcoef(piece, whole[at : at + len(piece)])[0, 1])


def test_a_dropped_recording_is_classified_as_it_is(
    launch: Launch, server: Running, tmp_path: Path
) -> None:
    samples, rate = soundfile.read(DEMO, stop=3 * 16_000, dtype="int16")
    clip = tmp_path / "clip.wav"
    soundfile.write(clip, samples, rate)
    with visit(launch("none"), server.http("/")) as it:
        drop(it.page, clip)
        it.see("#state", "Finished")
        it.see("#heard", "0:03")
    wave, wave_rate = it.audio()
    assert wave_rate == rate
    assert np.array_equal(np.round(wave * 32_768), samples)
    assert results_on_page(it).keys() == results_offline(samples, rate).keys()
    agree(results_on_page(it), results_offline(samples, rate), 1e-6)


def drop(page: Page, path: Path) -> None:
    page.evaluate(
        """(bytes) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "clip.wav"));
          for (const type of ["dragover", "drop"]) {
            const settings = { bubbles: true, cancelable: true, dataTransfer: data };
            document.body.dispatchEvent(new DragEvent(type, settings));
          }
        }""",
        list(path.read_bytes()),
    )
