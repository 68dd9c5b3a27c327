"""A quarter of an hour on a GPU: kit, steps and tables."""
