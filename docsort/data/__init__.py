"""Labelled tables: reading, audit, splits, the embedded corpus, the linear baseline."""
