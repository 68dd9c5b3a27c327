"""Turns: what somebody says until they have stopped speaking, and one answer for all of it."""
