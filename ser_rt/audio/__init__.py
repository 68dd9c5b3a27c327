"""Audio: sources and decoders that turn any input into `AudioChunk`s at the model's rate."""
