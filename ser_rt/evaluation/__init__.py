"""Metrics of classified clips, and their reports."""
