"""Reports of recordings: their emotions over time as a page and as a picture, and an index."""
