"""Renders demo.flac, half a minute of synthetic speech: `python ser_rt/samples/render_demo.py`.

Needs espeak-ng with its Korean voice. A synthetic voice has no emotion; pitch, rate and loudness
differ so that windows do, too. One pause is digital zeros,
longer than a window, so that there is a window without speech; the others hold faint noise, as a
room does.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

RATE_HZ = 16_000
ROOM_NOISE_DBFS = -66.0
SILENCE_S = 3.5


class Utterance(NamedTuple):
    """One sentence and how it is said."""

    text: str
    voice: str
    pitch: int  # espeak-ng's 0 to 99
    words_per_minute: int
    peak_dbfs: float
    pause_s: float  # after it


SCRIPT = (
    Utterance("안녕하세요. 오늘은 수요일이고, 날씨는 맑습니다.", "ko", 45, 150, -9, 0.7),
    Utterance("The train leaves at nine from platform four.", "en-us", 45, 155, -9, 0.7),
    Utterance("정말이야? 우리가 이겼어! 믿을 수가 없어!", "ko+f3", 88, 215, -3, 0.6),
    Utterance("I told you not to touch it! Get out, now!", "en-us+m3", 62, 235, -1, SILENCE_S),
    Utterance("그 사람은 이제 돌아오지 않아요. 너무 보고 싶어요.", "ko+f2", 22, 105, -19, 0.9),
    Utterance("Did you hear that? There is someone at the door.", "en-us+f4", 75, 190, -16, 0.6),
    Utterance("괜찮아요. 천천히 다시 해 봅시다.", "ko", 38, 130, -12, 0.8),
)


def speak(utterance: Utterance) -> npt.NDArray[np.float64]:
    """Render an utterance: float64 ``[samples]`` at `RATE_HZ`, with its own peak level."""
    command = ["espeak-ng", "--stdout", "-v", utterance.voice, "-p", str(utterance.pitch)]
    command += ["-s", str(utterance.words_per_minute), utterance.text]
    wave = subprocess.run(command, check=True, capture_output=True).stdout
    samples, rate_hz = soundfile.read(io.BytesIO(wave))
    samples = np.trim_zeros(soxr.resample(samples, rate_hz, RATE_HZ))
    return np.asarray(samples / np.abs(samples).max() * 10 ** (utterance.peak_dbfs / 20))


def render() -> npt.NDArray[np.float64]:
    """Render the whole script: float64 ``[samples]`` at `RATE_HZ`."""
    rng = np.random.default_rng(0)
    parts = []
    for utterance in SCRIPT:
        pause = np.zeros(round(utterance.pause_s * RATE_HZ))
        part = np.concatenate([speak(utterance), pause])
        noise = rng.standard_normal(len(part)) * 10 ** (ROOM_NOISE_DBFS / 20)
        if utterance.pause_s == SILENCE_S:
            noise[-len(pause) :] = 0.0
        parts.append(part + noise)
    return np.concatenate(parts)


def main() -> int:
    """Write demo.flac beside this script."""
    if shutil.which("espeak-ng") is None:
        print("espeak-ng is not installed (Debian: apt install espeak-ng)", file=sys.stderr)
        return 1
    path = Path(__file__).with_name("demo.flac")
    samples = np.clip(render(), -1.0, 1.0)
    soundfile.write(path, samples, RATE_HZ, subtype="PCM_16", format="FLAC")
    size_kb = path.stat().st_size / 1000
    print(f"{path.name}: {len(samples) / RATE_HZ:.1f} s, {size_kb:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
