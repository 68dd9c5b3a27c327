"""Audio from a callback: an audio library calls you in its own thread, where nothing may wait."""

import sys
import threading

import soundfile

import ser_rt

path = sys.argv[1] if len(sys.argv) > 1 else ser_rt.sample_path()
with soundfile.SoundFile(path) as file:
    source = ser_rt.PushSource(rate=file.samplerate)

    def on_audio(block):
        """Take a block of the audio library; `push` copies it and returns at once."""
        source.push(block)

    def listen():
        """Print what changes."""
        named = None
        for event in ser_rt.stream(source, model="compact"):
            if event.type == "emotion" and event.emotion != named:
                named = event.emotion
                print(f"{event.end:6.1f} s  {event.emotion} {event.confidence:.0%}")

    thread = threading.Thread(target=listen)
    thread.start()
    for block in file.blocks(blocksize=file.samplerate // 10, dtype="float32"):
        on_audio(block)  # your audio library does this, ten times a second
    source.end()
    thread.join()
