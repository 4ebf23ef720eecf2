"""Lightning around the core: batches of documents, the training step, and what watches a run."""
