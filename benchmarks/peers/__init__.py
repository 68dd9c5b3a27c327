"""Other ways to run the same network, to compare with."""
