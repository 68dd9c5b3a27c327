"""The runtime: streams of audio in, emotion events out. It never loads torch."""
