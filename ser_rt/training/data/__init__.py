"""Labelled clips: found, checked, decoded, split, varied and drawn."""
