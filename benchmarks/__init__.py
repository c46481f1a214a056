"""One file for each figure we publish; each prints a table and writes JSON."""
