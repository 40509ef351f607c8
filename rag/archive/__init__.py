"""The catalogue, which is the source of truth, and the two indexes derived from it."""
