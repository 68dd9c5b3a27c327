"""The networks that can be trained: one file each, one entry each in `ser_rt.model`."""
