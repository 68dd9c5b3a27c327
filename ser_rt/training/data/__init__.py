"""Labelled clips for training: finding, decoding, checking, splitting, augmenting, sampling."""
