"""The commands `ser-stream` and `ser-check`."""
