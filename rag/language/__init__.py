"""Words, sentences, numbers, names and dates of a text, in any language. Pure functions."""
