"""Freezes a trained network into a bundle, and proves that the two are equal."""
