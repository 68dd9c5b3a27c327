"""Who speaks: where another person begins."""
