"""The indexes derived from the catalogue: vectors and words."""
