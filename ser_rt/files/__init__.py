"""Reading and writing of files: atomic writes, names, tables of text."""
