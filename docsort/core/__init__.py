"""Text to probabilities, written once: training, evaluation, scoring and serving all call it."""
