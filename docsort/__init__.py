"""docsort: a table of labelled documents in, a served document classifier out."""

__version__ = "0.1.0"
