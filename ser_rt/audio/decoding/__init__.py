"""Decoder of recordings: bytes in, blocks of samples at their times out."""
