"""From a bundle to an archive, and from archives to a served endpoint on port 1337."""
