"""Many runs, each its own process: what it may use, where it runs, and how trials are chosen.

Knows neither Hydra nor Lightning nor documents.
"""
