"""Hydra's configuration, installed as ``docsort.conf``: a file per command, a group per choice."""
