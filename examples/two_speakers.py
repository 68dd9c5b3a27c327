"""Two callers on the two channels of one recording: who sounded how, and for how long."""

import sys
from collections import Counter

import numpy as np
import soundfile

import ser_rt

if len(sys.argv) > 1:
    samples, rate = soundfile.read(sys.argv[1], dtype="float32", always_2d=True)
else:  # the sample, and the same three seconds later
    mono, rate = soundfile.read(ser_rt.sample_path(), dtype="float32")
    samples = np.stack([mono, np.roll(mono, 3 * rate)], axis=1)

seconds = Counter()
for event in ser_rt.stream(
    samples, sample_rate=rate, model="compact", channel="all", episodes=True
):
    if event.type == "episode":
        seconds[event.channel, event.emotion] += event.end - event.start
        where = f"{event.start:6.1f} to {event.end:6.1f} s"
        print(f"speaker {event.channel}  {where}  {event.emotion} {event.confidence:.0%}")

for (channel, emotion), total in sorted(seconds.items()):
    print(f"speaker {channel}: {emotion} for {total:.1f} s")
