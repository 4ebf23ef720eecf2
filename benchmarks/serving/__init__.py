"""Requests a second and latencies of docsort and its peers; ``python -m benchmarks.serving``."""
