"""Decoding: bytes and a hint in, samples at their true times out, and what was missing in words."""
