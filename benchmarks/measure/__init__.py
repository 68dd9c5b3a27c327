"""Measurement of speed, memory and energy, interleaved."""
