"""Benchmarks: the cost of a hop, the number of streams a machine holds, and other libraries."""
