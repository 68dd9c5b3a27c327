"""Reading and writing of files: atomic writes, hashes, names, tables of text."""
