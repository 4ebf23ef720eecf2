"""From what a run measured to numbers, pictures, a page and a model card."""
