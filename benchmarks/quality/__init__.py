"""Peers in quality: other recognizers on the same clips, judged by the same code."""
