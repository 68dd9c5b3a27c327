"""Training of networks (needs torch)."""
