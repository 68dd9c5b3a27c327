"""Measures what a hop costs, how many streams fit, and how others do (`ser_rt.benchmarks`)."""
