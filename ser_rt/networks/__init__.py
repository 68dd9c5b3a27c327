"""Networks that can be trained: one file and one entry in `model.ARCHITECTURES` each."""
