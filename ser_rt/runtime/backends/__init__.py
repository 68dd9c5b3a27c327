"""Inference backends: one execution provider each, one entry each in `PROVIDERS`."""
