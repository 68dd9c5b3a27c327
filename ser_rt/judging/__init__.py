"""Judging of streams: labelled streams, the engine's answers, their measures and a report."""
