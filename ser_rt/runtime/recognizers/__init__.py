"""Recognizers: from chunks of audio to probabilities of emotions."""
