"""Ten minutes on a GPU: kit, steps and tables."""
