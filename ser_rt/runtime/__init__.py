"""The runtime: a bundle listens, and says what it hears. It never loads torch."""
